import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Param,
  Patch,
  Post,
  Put,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { requireActingUser, viewerOf, type Caller } from '../auth/caller.js';
import { FromCaller } from '../auth/caller.guard.js';
import { messageJson } from '../cache/local/wire-json.js';
import { MessageCache } from '../cache/message-cache.js';
import { sendChatAnswer, sendJson, setChatVersion, setHeaders } from '../http/answer.js';
import { messageNotFound } from '../storage/write/chat-errors.js';
import { MessageRepository } from '../storage/message-repository.js';
import { READ_HEADERS, WRITE_HEADERS } from './answer-headers.js';
import { Route } from './api-operation.js';
import {
  chatPath,
  editMessageBody,
  messagePath,
  messagesQuery,
  noBody,
  noQuery,
  reactionPath,
  sendMessageBody,
} from './input-schemas.js';
import { MinChatVersion, requireChat } from './read-options.js';
import { Sending } from './sending.js';
import { messageSchema, pageSchema } from './wire-schemas.js';

/** Messages of a chat: reading pages of them, sending, editing, deleting, reacting. */
@ApiTags('messages')
@Controller('v1/chats/:chatId/messages')
export class MessagesController {
  constructor(
    private readonly cache: MessageCache,
    private readonly messages: MessageRepository,
    private readonly sending: Sending,
  ) {}

  @Get()
  @Route({
    id: 'messages.list',
    summary: 'Read a page of messages: the latest, or those before, after or around a seq.',
    answers: { 200: pageSchema, 304: null },
    answerHeaders: READ_HEADERS,
    problems: [404],
    headers: ['X-User-Id', 'Min-Chat-Version', 'If-None-Match'],
  })
  async list(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: messagesQuery }) query: z.infer<typeof messagesQuery>,
    @FromCaller() caller: Caller,
    @MinChatVersion() minVersion: number | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const reader = query.around === 'firstUnread' ? requireActingUser(caller) : undefined;
    const options = { minVersion, viewer: viewerOf(caller) };
    const page = await this.cache.getMessages(chatId, { reader, ...query }, options);
    sendChatAnswer(request, reply, requireChat(chatId, page));
  }

  @Post()
  @HttpCode(201)
  @Route({
    id: 'messages.send',
    summary: 'Send a message. The same clientId again gives 200 and the message that it named first.',
    answers: { 200: messageSchema, 201: messageSchema },
    answerHeaders: [...WRITE_HEADERS, 'Location', 'Idempotency-Replayed'],
    problems: [403, 404, 409, 413, 415, 422],
    headers: ['X-User-Id', 'Idempotency-Key'],
  })
  async send(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: sendMessageBody }) body: z.infer<typeof sendMessageBody>,
    @Headers('idempotency-key') key: string | undefined,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const message = this.sending.read(chatId, body, key, caller);
    const { status, headers, body: json } = await this.sending.send(message, caller);
    setHeaders(reply.code(status), headers);
    sendJson(reply, json);
  }

  @Get(':seq')
  @Route({
    id: 'messages.get',
    summary: 'Read one message.',
    answers: { 200: messageSchema, 304: null },
    answerHeaders: READ_HEADERS,
    problems: [404],
    headers: ['X-User-Id', 'Min-Chat-Version', 'If-None-Match'],
  })
  async get(
    @Param({ schema: messagePath }) { chatId, seq }: z.infer<typeof messagePath>,
    @Query({ schema: noQuery }) _query: object,
    @FromCaller() caller: Caller,
    @MinChatVersion() minVersion: number | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const found = await this.cache.getMessage(chatId, seq, { minVersion, viewer: viewerOf(caller) });
    const answer = requireChat(chatId, found);
    if (answer === 'missing') throw messageNotFound(seq);
    sendChatAnswer(request, reply, answer);
  }

  @Patch(':seq')
  @Route({
    id: 'messages.edit',
    summary: 'Replace the text or metadata of a message.',
    answers: { 200: messageSchema },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404, 409, 413, 415],
    headers: ['X-User-Id'],
  })
  async edit(
    @Param({ schema: messagePath }) { chatId, seq }: z.infer<typeof messagePath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: editMessageBody }) body: z.infer<typeof editMessageBody>,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (body.text !== undefined) this.sending.requireShort(body.text);
    const { version, message } = await this.messages.editMessage(chatId, seq, body, caller);
    sendJson(setChatVersion(reply, version), messageJson(message!));
  }

  @Delete(':seq')
  @Route({
    id: 'messages.delete',
    summary: 'Delete a message. Its place in the line stays.',
    answers: { 204: null },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404],
    headers: ['X-User-Id'],
  })
  async delete(
    @Param({ schema: messagePath }) { chatId, seq }: z.infer<typeof messagePath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: noBody }) _body: object | undefined,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { version } = await this.messages.deleteMessage(chatId, seq, caller);
    void setChatVersion(reply, version).code(204).send();
  }

  @Put(':seq/reactions/:emoji')
  @Route({
    id: 'reactions.put',
    summary: 'Put the acting user’s emoji on a message.',
    answers: { 204: null },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404, 409, 422],
    headers: ['X-User-Id'],
  })
  async react(
    @Param({ schema: reactionPath }) path: z.infer<typeof reactionPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: noBody }) _body: object | undefined,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.#setReaction(path, true, caller, reply);
  }

  @Delete(':seq/reactions/:emoji')
  @Route({
    id: 'reactions.delete',
    summary: 'Take the acting user’s emoji off a message.',
    answers: { 204: null },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404, 409],
    headers: ['X-User-Id'],
  })
  async unreact(
    @Param({ schema: reactionPath }) path: z.infer<typeof reactionPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: noBody }) _body: object | undefined,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.#setReaction(path, false, caller, reply);
  }

  async #setReaction(
    { chatId, seq, emoji }: z.infer<typeof reactionPath>,
    present: boolean,
    caller: Caller,
    reply: FastifyReply,
  ): Promise<void> {
    const userId = requireActingUser(caller);
    const { version } = await this.messages.react(chatId, seq, { userId, emoji, present }, caller);
    void setChatVersion(reply, version).code(204).send();
  }
}
