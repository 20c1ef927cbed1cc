import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerFindingOf } from '../auth/request-caller.js';

/** Answers that hide something are sent at whole multiples of this, counted from the arrival of the request. */
const STEP_MS = 25;

/**
 * Waits until an answer that hides a chat from a user may be sent. Whether the chat is there and held, there and not held, or not there decides
 * how long it takes to find out; all of that is less than a step, so that the time of the answer does not tell. Services are hidden
 * nothing and wait for nothing.
 */
export async function untilEven(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (hidesFrom(request)) await delay(STEP_MS - (reply.elapsedTime % STEP_MS));
}

/** Whether who asks is somebody whom chats are hidden from. */
export function hidesFrom(request: FastifyRequest): boolean {
  const finding = callerFindingOf(request);
  return finding !== undefined && 'caller' in finding && finding.caller.type === 'user';
}
