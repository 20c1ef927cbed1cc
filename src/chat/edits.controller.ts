import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { viewerOf, type Caller } from '../auth/caller.js';
import { FromCaller } from '../auth/caller.guard.js';
import { CachedJson, joinParts } from '../cache/cached-json.js';
import { timeText } from '../cache/local/wire-json.js';
import { MessageCache } from '../cache/message-cache.js';
import { ScrollbackError } from '../common/scrollback-error.js';
import { sendChatAnswer } from '../http/answer.js';
import { MessageRepository, type EditRecord } from '../storage/message-repository.js';
import { messageNotFound } from '../storage/write/chat-errors.js';
import { READ_HEADERS } from './answer-headers.js';
import { Route } from './api-operation.js';
import { messagePath, noQuery } from './input-schemas.js';
import { MinChatVersion, requireChat } from './read-options.js';
import { editsSchema } from './wire-schemas.js';

/** What edits of messages replaced. For services: users see messages as they are. */
@ApiTags('messages')
@Controller('v1/chats/:chatId/messages/:seq/edits')
export class EditsController {
  constructor(
    private readonly cache: MessageCache,
    private readonly messages: MessageRepository,
  ) {}

  @Get()
  @Route({
    id: 'messages.edits',
    summary: 'Read what the edits of a message replaced, oldest first. For services; always read from the database.',
    answers: { 200: editsSchema, 304: null },
    answerHeaders: READ_HEADERS,
    problems: [403, 404],
    headers: ['X-User-Id', 'Min-Chat-Version', 'If-None-Match'],
  })
  async list(
    @Param({ schema: messagePath }) { chatId, seq }: z.infer<typeof messagePath>,
    @Query({ schema: noQuery }) _query: object,
    @FromCaller() caller: Caller,
    @MinChatVersion() minVersion: number | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    // The chat says who may know of it, and that the version is reached.
    requireChat(chatId, await this.cache.getChat(chatId, { minVersion, viewer: viewerOf(caller) }));
    if (caller.type === 'user') throw new ScrollbackError('forbidden', 'Edit histories are for services.');
    const { version, edits } = requireChat(chatId, await this.messages.loadEdits(chatId, seq));
    if (edits === undefined) throw messageNotFound(seq);
    const parts = ['{"items":[', ...joinParts(edits.map(editJson)), ']}'];
    sendChatAnswer(request, reply, new CachedJson(version, 'bypass', parts));
  }
}

function editJson({ version, text, metadataJson, replacedAtMs }: EditRecord): string {
  const metadata = metadataJson === null ? '' : `,"metadata":${metadataJson}`;
  return `{"version":${version},"text":${JSON.stringify(text)}${metadata},"replacedAt":"${timeText(replacedAtMs)}"}`;
}
