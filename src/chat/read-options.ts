import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { invalidField, ScrollbackError } from '../common/scrollback-error.js';

/**
 * Gives a handler the version that `Min-Chat-Version` asks for, `undefined` without the header.
 *
 * @throws ScrollbackError `invalid_input` for what is not a version.
 */
export const MinChatVersion = createParamDecorator((_data: unknown, context: ExecutionContext): number | undefined => {
  const version = readMinVersion(context.switchToHttp().getRequest<FastifyRequest>().headers['min-chat-version']);
  if (version === 'invalid') throw invalidField('Min-Chat-Version', 'must be a whole number up to 2^53 - 1');
  return version;
});

/** Reads the value of `Min-Chat-Version`. */
export function readMinVersion(header: string | string[] | undefined): number | 'invalid' | undefined {
  if (header === undefined) return undefined;
  const version = /^\d{1,16}$/.test(String(header)) ? Number(header) : NaN;
  return Number.isSafeInteger(version) ? version : 'invalid';
}

/** Gives what the cache has found, or refuses as if there were nothing. */
export function requireChat<T>(chatId: string, found: T | undefined): T {
  if (found === undefined) throw new ScrollbackError('chat_not_found', `There is no chat ${chatId}.`);
  return found;
}
