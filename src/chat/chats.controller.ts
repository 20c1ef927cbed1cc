import { Body, Controller, Delete, Get, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { actingUser, viewerOf, type Caller } from '../auth/caller.js';
import { FromCaller } from '../auth/caller.guard.js';
import { MessageCache } from '../cache/message-cache.js';
import { DEFAULT_PAGE_LIMIT } from '../cache/read/page-range.js';
import { sendChatAnswer, sendJson, setChatVersion } from '../http/answer.js';
import { ChatRepository } from '../storage/chat-repository.js';
import { READ_HEADERS, WRITE_HEADERS } from './answer-headers.js';
import { Route } from './api-operation.js';
import { changesQuery, chatPath, createChatBody, noBody, noQuery, updateChatBody } from './input-schemas.js';
import { MinChatVersion, requireChat } from './read-options.js';
import { changesSchema, chatSchema } from './wire-schemas.js';

/** Chats themselves, and what changed in them. */
@ApiTags('chats')
@Controller('v1/chats')
export class ChatsController {
  constructor(
    private readonly cache: MessageCache,
    private readonly chats: ChatRepository,
  ) {}

  @Post()
  @Route({
    id: 'chats.create',
    summary: 'Create a chat. The same id and content again give 200 and the chat.',
    answers: { 200: chatSchema, 201: chatSchema },
    answerHeaders: [...WRITE_HEADERS, 'Location'],
    problems: [409, 413, 415],
    headers: ['X-User-Id'],
  })
  async create(
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: createChatBody }) body: z.infer<typeof createChatBody>,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { chatId, version, isNew } = await this.chats.createChat({ ...body, createdBy: actingUser(caller) ?? null });
    // Who repeats what they have created, and is no longer in it, sees as little of it as anybody.
    const viewer = isNew ? undefined : viewerOf(caller);
    const answer = requireChat(chatId, await this.cache.getChat(chatId, { minVersion: version, viewer }));
    void reply.code(isNew ? 201 : 200).header('location', `/v1/chats/${chatId}`);
    sendJson(setChatVersion(reply, answer.version), answer.toBuffer());
  }

  @Get(':chatId')
  @Route({
    id: 'chats.get',
    summary: 'Read a chat.',
    answers: { 200: chatSchema, 304: null },
    answerHeaders: READ_HEADERS,
    problems: [404],
    headers: ['X-User-Id', 'Min-Chat-Version', 'If-None-Match'],
  })
  async get(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: noQuery }) _query: object,
    @FromCaller() caller: Caller,
    @MinChatVersion() minVersion: number | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const found = await this.cache.getChat(chatId, { minVersion, viewer: viewerOf(caller) });
    sendChatAnswer(request, reply, requireChat(chatId, found));
  }

  @Patch(':chatId')
  @Route({
    id: 'chats.update',
    summary: "Change a chat's title or metadata.",
    answers: { 200: chatSchema },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404, 413, 415],
    headers: ['X-User-Id'],
  })
  async update(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: updateChatBody }) body: z.infer<typeof updateChatBody>,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { version } = await this.chats.updateChat(chatId, body, caller);
    const answer = requireChat(chatId, await this.cache.getChat(chatId, { minVersion: version }));
    sendJson(setChatVersion(reply, answer.version), answer.toBuffer());
  }

  @Delete(':chatId')
  @Route({
    id: 'chats.delete',
    summary: 'Delete a chat for everybody.',
    answers: { 204: null },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404],
    headers: ['X-User-Id'],
  })
  async delete(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: noBody }) _body: object | undefined,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { version } = await this.chats.deleteChat(chatId, caller);
    void setChatVersion(reply, version).code(204).send();
  }

  @Get(':chatId/changes')
  @Route({
    id: 'chats.changes',
    summary: 'Read the present state of all that changed after a version.',
    answers: { 200: changesSchema, 304: null },
    answerHeaders: READ_HEADERS,
    problems: [404, 410],
    headers: ['X-User-Id', 'Min-Chat-Version', 'If-None-Match'],
  })
  async changes(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: changesQuery }) { since, limit }: z.infer<typeof changesQuery>,
    @FromCaller() caller: Caller,
    @MinChatVersion() minVersion: number | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const options = { minVersion, viewer: viewerOf(caller) };
    const found = await this.cache.getChanges(chatId, since, limit ?? DEFAULT_PAGE_LIMIT, options);
    sendChatAnswer(request, reply, requireChat(chatId, found));
  }
}
