import { isUtf8 } from 'node:buffer';
import { Inject, Injectable } from '@nestjs/common';
import type { z } from 'zod';
import { actingUser, type Caller } from '../auth/caller.js';
import { messageJson } from '../cache/local/wire-json.js';
import { invalidField, ScrollbackError } from '../common/scrollback-error.js';
import { versionHeaders } from '../http/answer.js';
import { inputError } from '../http/input-error.js';
import { MessageRepository, type NewMessage } from '../storage/message-repository.js';
import type { OperationResult } from '../storage/write/chat-operation.js';
import { CHAT_OPTIONS, type ChatOptions } from './chat-options.js';
import { idempotencyKey, type sendMessageBody } from './input-schemas.js';

/** The answer to a send. */
export interface SentAnswer {
  readonly status: 200 | 201;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  /** JSON. */
  readonly body: string;
}

/** Sends messages as the API has it, for each of the two ways that a request can take. */
@Injectable()
export class Sending {
  constructor(
    private readonly messages: MessageRepository,
    @Inject(CHAT_OPTIONS) private readonly options: ChatOptions,
  ) {}

  /**
   * Makes the message that a request wants to be sent. Nothing is done yet.
   *
   * @param key - the value of `Idempotency-Key`.
   * @throws ScrollbackError `invalid_input`, `forbidden`.
   */
  read(chatId: string, body: z.infer<typeof sendMessageBody>, key: string | undefined, caller: Caller): NewMessage {
    this.requireShort(body.text);
    if (caller.type === 'user' && (body.senderId !== undefined || body.createdAt !== undefined)) {
      throw new ScrollbackError('forbidden', 'senderId and createdAt are for services.');
    }
    const senderId = body.senderId ?? actingUser(caller);
    if (senderId === undefined) throw invalidField('senderId', 'must be given, or X-User-Id');
    const { text, kind, metadata, replyTo, createdAt } = body;
    return { chatId, senderId, text, clientId: body.clientId ?? readKey(key), kind, metadata, replyTo, createdAt };
  }

  /**
   * Sends a message. Resolves when it is committed and the cache has it.
   *
   * @throws ScrollbackError as `MessageRepository.createMessage` does.
   */
  async send(message: NewMessage, caller: Caller): Promise<SentAnswer> {
    return answerOf(message.chatId, await this.messages.createMessage(message, caller));
  }

  /** @throws ScrollbackError `invalid_input` for a text that is longer than texts may be. */
  requireShort(text: string): void {
    const bytes = Buffer.byteLength(text);
    const { maxTextBytes } = this.options;
    if (bytes > maxTextBytes)
      throw invalidField('text', `is ${bytes} bytes of UTF-8; at most ${maxTextBytes} are allowed`);
  }
}

function answerOf(chatId: string, { version, message, replayed }: OperationResult): SentAnswer {
  const headers = [...versionHeaders(version), 'location', `/v1/chats/${chatId}/messages/${message!.seq}`];
  const body = messageJson(message!);
  if (replayed !== true) return { status: 201, headers, body };
  return { status: 200, headers: [...headers, 'idempotency-replayed', 'true'], body };
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
