import { isUtf8 } from 'node:buffer';
import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
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
import { actingUser, requireActingUser, viewerOf, type Caller } from '../auth/caller.js';
import { FromCaller } from '../auth/caller.guard.js';
import { messageJson } from '../cache/local/wire-json.js';
import { MessageCache } from '../cache/message-cache.js';
import { invalidField, ScrollbackError } from '../common/scrollback-error.js';
import { sendChatAnswer, sendJson, setChatVersion } from '../http/answer.js';
import { inputError } from '../http/input-error.js';
import { messageNotFound } from '../storage/write/chat-errors.js';
import { MessageRepository } from '../storage/message-repository.js';
import { READ_HEADERS, WRITE_HEADERS } from './answer-headers.js';
import { Route } from './api-operation.js';
import { CHAT_OPTIONS, type ChatOptions } from './chat-options.js';
import {
  chatPath,
  editMessageBody,
  idempotencyKey,
  messagePath,
  messagesQuery,
  noBody,
  noQuery,
  reactionPath,
  sendMessageBody,
} from './input-schemas.js';
import { MinChatVersion, requireChat } from './read-options.js';
import { messageSchema, pageSchema } from './wire-schemas.js';

/** Messages of a chat: reading pages of them, sending, editing, deleting, reacting. */
@ApiTags('messages')
@Controller('v1/chats/:chatId/messages')
export class MessagesController {
  constructor(
    private readonly cache: MessageCache,
    private readonly messages: MessageRepository,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
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
    const page = await this.cache.getMessages(chatId, { ...query, reader }, options);
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
    this.#checkText(body.text);
    if (caller.type === 'user' && (body.senderId !== undefined || body.createdAt !== undefined)) {
      throw new ScrollbackError('forbidden', 'senderId and createdAt are for services.');
    }
    const senderId = body.senderId ?? actingUser(caller);
    if (senderId === undefined) throw invalidField('senderId', 'must be given, or X-User-Id');
    const clientId = body.clientId ?? readKey(key);
    const { version, message, replayed } = await this.messages.createMessage(
      { ...body, chatId, senderId, clientId },
      caller,
    );
    void setChatVersion(reply, version).header('location', `/v1/chats/${chatId}/messages/${message!.seq}`);
    if (replayed === true) void reply.code(200).header('idempotency-replayed', 'true');
    else void reply.code(201);
    sendJson(reply, messageJson(message!));
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
    if (body.text !== undefined) this.#checkText(body.text);
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

  #checkText(text: string): void {
    const bytes = Buffer.byteLength(text);
    const { maxTextBytes } = this.options;
    if (bytes > maxTextBytes)
      throw invalidField('text', `is ${bytes} bytes of UTF-8; at most ${maxTextBytes} are allowed`);
  }
}

function readKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  // Header values come as Latin-1; keys are UTF-8. Two broken ones must not become the same.
  const bytes = Buffer.from(header, 'latin1');
  if (!isUtf8(bytes)) throw invalidField('Idempotency-Key', 'must be UTF-8');
  const text = bytes.toString('utf8').replace(/^"(.*)"$/, '$1');
  const parsed = idempotencyKey.safeParse(text);
  if (parsed.success) return parsed.data;
  throw inputError(parsed.error.issues.map((issue) => ({ message: issue.message, path: ['Idempotency-Key'] })));
}
