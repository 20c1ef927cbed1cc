import { Body, Controller, Get, HttpCode, Param, Post, Query, Res, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { viewerOf, type Caller } from '../auth/caller.js';
import { FromCaller } from '../auth/caller.guard.js';
import { MessageCache } from '../cache/message-cache.js';
import { parseInboxCursor } from '../cache/read/inbox-cursor.js';
import { DEFAULT_PAGE_LIMIT } from '../cache/read/page-range.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import { sendAnswer } from '../http/answer.js';
import { untilEven } from '../http/even-answers.js';
import { Route } from './api-operation.js';
import { inboxQuery, latestBody, noQuery, userPath } from './input-schemas.js';
import { inboxSchema, latestSchema } from './wire-schemas.js';

/** What spans chats: a user's inbox, and the newest messages of many chats. */
@ApiTags('inbox')
@Controller('v1')
export class InboxController {
  constructor(private readonly cache: MessageCache) {}

  @Get('users/:userId/chats')
  @Route({
    id: 'inbox.list',
    summary: 'List the chats of a user, latest activity first, with unread counts.',
    answers: { 200: inboxSchema },
    answerHeaders: ['Cache-Status'],
    problems: [403],
    headers: ['X-User-Id'],
  })
  async list(
    @Param({ schema: userPath }) { userId }: z.infer<typeof userPath>,
    @Query({ schema: inboxQuery }) { cursor, limit }: z.infer<typeof inboxQuery>,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (caller.type === 'user' && caller.userId !== userId) {
      throw new ScrollbackError('forbidden', 'The inbox belongs to another user.');
    }
    const after = cursor === undefined ? undefined : parseInboxCursor(cursor, userId);
    const options = { viewer: viewerOf(caller) };
    sendAnswer(reply, await this.cache.getUserChats(userId, { after, limit: limit ?? DEFAULT_PAGE_LIMIT }, options));
  }

  @Post('messages/latest')
  @HttpCode(200)
  @Route({
    id: 'messages.latest',
    summary: 'Read the last messages of many chats. Chats that the caller may not see are left out.',
    answers: { 200: latestSchema },
    answerHeaders: ['Cache-Status'],
    problems: [413, 415, 422],
    headers: ['X-User-Id'],
  })
  async latest(
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: latestBody }) { chatIds, limit }: z.infer<typeof latestBody>,
    @FromCaller() caller: Caller,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const options = { viewer: viewerOf(caller) };
    const ids = [...new Set(chatIds)];
    const { answer, isWhole } = await this.cache.findLatest(ids, limit ?? DEFAULT_PAGE_LIMIT, options);
    if (!isWhole) await untilEven(request, reply);
    sendAnswer(reply, answer);
  }
}
