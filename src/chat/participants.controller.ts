import { Body, Controller, Delete, Get, Param, Put, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { requireActingUser, viewerOf, type Caller } from '../auth/caller.js';
import { FromCaller } from '../auth/caller.guard.js';
import { participantJson } from '../cache/local/wire-json.js';
import { MessageCache } from '../cache/message-cache.js';
import { sendChatAnswer, sendJson, setChatVersion } from '../http/answer.js';
import { ChatRepository } from '../storage/chat-repository.js';
import { READ_HEADERS, WRITE_HEADERS } from './answer-headers.js';
import { Route } from './api-operation.js';
import {
  chatPath,
  markReadBody,
  noBody,
  noQuery,
  participantPath,
  participantsQuery,
  putParticipantBody,
} from './input-schemas.js';
import { MinChatVersion, requireChat } from './read-options.js';
import { participantSchema, participantsSchema, readStateSchema } from './wire-schemas.js';

/** Who is in a chat, and how far they have read. */
@ApiTags('participants')
@Controller('v1/chats/:chatId')
export class ParticipantsController {
  constructor(
    private readonly cache: MessageCache,
    private readonly chats: ChatRepository,
  ) {}

  @Get('participants')
  @Route({
    id: 'participants.list',
    summary: 'List the participants, ascending by userId.',
    answers: { 200: participantsSchema, 304: null },
    answerHeaders: READ_HEADERS,
    problems: [404],
    headers: ['X-User-Id', 'Min-Chat-Version', 'If-None-Match'],
  })
  async list(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: participantsQuery }) { after, limit }: z.infer<typeof participantsQuery>,
    @FromCaller() caller: Caller,
    @MinChatVersion() minVersion: number | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const options = { minVersion, viewer: viewerOf(caller) };
    const found = await this.cache.getParticipants(chatId, { after, limit }, options);
    sendChatAnswer(request, reply, requireChat(chatId, found));
  }

  @Put('participants/:userId')
  @Route({
    id: 'participants.put',
    summary: 'Add a participant, or change a role.',
    answers: { 200: participantSchema, 201: participantSchema },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404, 409, 413, 415],
    headers: ['X-User-Id'],
  })
  async put(
    @Param({ schema: participantPath }) { chatId, userId }: z.infer<typeof participantPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: putParticipantBody.optional() }) body: z.infer<typeof putParticipantBody> | undefined,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { version, participant, isNew } = await this.chats.addParticipant(chatId, userId, body?.role, caller);
    void setChatVersion(reply, version).code(isNew === true ? 201 : 200);
    sendJson(reply, participantJson(participant!));
  }

  @Delete('participants/:userId')
  @Route({
    id: 'participants.delete',
    summary: 'Take a participant out of the chat.',
    answers: { 204: null },
    answerHeaders: WRITE_HEADERS,
    problems: [403, 404, 409],
    headers: ['X-User-Id'],
  })
  async delete(
    @Param({ schema: participantPath }) { chatId, userId }: z.infer<typeof participantPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: noBody }) _body: object | undefined,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { version } = await this.chats.removeParticipant(chatId, userId, caller);
    void setChatVersion(reply, version).code(204).send();
  }

  @Put('read')
  @Route({
    id: 'participants.markRead',
    summary: 'Move the acting user’s read marker forward. It never goes back.',
    answers: { 200: readStateSchema },
    answerHeaders: WRITE_HEADERS,
    problems: [404, 413, 415, 422],
    headers: ['X-User-Id'],
  })
  async markRead(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: markReadBody }) { seq }: z.infer<typeof markReadBody>,
    @FromCaller() caller: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const userId = requireActingUser(caller);
    const { version, participant, unread } = await this.chats.markRead(chatId, userId, seq, caller);
    const state = { lastReadSeq: participant!.lastReadSeq, unread: unread! };
    sendJson(setChatVersion(reply, version), JSON.stringify(state));
  }
}
