import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../auth/caller.js';
import { callerFindingOf } from '../auth/request-caller.js';
import type { ErrorCode } from '../common/error-codes.js';
import { ScrollbackError } from '../common/scrollback-error.js';

/** Answers that hide something are sent at whole multiples of this, counted from the arrival of the request. */
const STEP_MS = 25;

/** Codes of answers whose time could tell of chats that their reader is not to know of. */
const HIDING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['chat_not_found', 'answer_too_large']);

/**
 * Waits until an answer that hides a chat from a user may be sent. Whether the chat is there and held, there and not held, or not there decides
 * how long it takes to find out; all of that is less than a step, so that the time of the answer does not tell. Services are hidden
 * nothing and wait for nothing.
 */
export async function untilEven(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (isUser(callerOf(request))) await delay(restOfStep(reply.elapsedTime));
}

/**
 * How long the answer to a request that has failed has to wait, for the reason of {@link untilEven}, in milliseconds; 0: not at all.
 *
 * @param elapsedMs - since the request came.
 */
export function evenWaitMs(error: unknown, caller: Caller | undefined, elapsedMs: number): number {
  const mayHide = error instanceof ScrollbackError && HIDING.has(error.code);
  return mayHide && isUser(caller) ? restOfStep(elapsedMs) : 0;
}

/** Who calls, as far as that is known. */
export function callerOf(request: FastifyRequest): Caller | undefined {
  const finding = callerFindingOf(request);
  return finding !== undefined && 'caller' in finding ? finding.caller : undefined;
}

function restOfStep(elapsedMs: number): number {
  return STEP_MS - (elapsedMs % STEP_MS);
}

function isUser(caller: Caller | undefined): boolean {
  return caller?.type === 'user';
}
