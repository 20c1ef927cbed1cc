import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CacheResult } from '../cache/cache-stats.js';
import type { CachedJson } from '../cache/cached-json.js';
import { WAITING_ANSWERS, type WaitingAnswers } from '../limits/waiting-answers.js';

const CACHE_STATUS: Readonly<Record<CacheResult, string>> = {
  hit: 'scrollback; hit',
  miss: 'scrollback; fwd=miss',
  stale: 'scrollback; hit; detail=stale',
  bypass: 'scrollback; fwd=bypass',
};

/** The media type of every answer that is not a problem. */
export const JSON_TYPE = 'application/json; charset=utf-8';

/** Headers of answers that pages of other origins may read, where those may call at all. */
export const EXPOSED_HEADERS = [
  'cache-status',
  'chat-version',
  'etag',
  'idempotency-replayed',
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-request-id',
];

/** Headers of a cached answer of one chat: names and values in turn. */
export function chatAnswerHeaders(answer: CachedJson<unknown>): string[] {
  return [
    'cache-status',
    CACHE_STATUS[answer.source],
    ...versionHeaders(answer.version),
    'cache-control',
    'private, no-cache',
    'vary',
    'authorization, x-user-id, origin',
  ];
}

/** Sets headers that come as names and values in turn. */
export function setHeaders(reply: FastifyReply, headers: readonly string[]): void {
  for (let at = 0; at < headers.length; at += 2) void reply.header(headers[at]!, headers[at + 1]);
}

/** Whether the caller has this version of an answer already, by the value of `If-None-Match`. */
export function isNotModified(ifNoneMatch: string | undefined, answer: CachedJson<unknown>): boolean {
  return isMatch(ifNoneMatch, chatEtag(answer.version));
}

/**
 * Sends a cached answer of one chat, or 304 if the caller has this version of it already.
 *
 * @throws ScrollbackError `overloaded`; nothing has been sent.
 */
export function sendChatAnswer(request: FastifyRequest, reply: FastifyReply, answer: CachedJson<unknown>): void {
  requireRoom(reply, answer);
  setHeaders(reply, chatAnswerHeaders(answer));
  if (isNotModified(request.headers['if-none-match'], answer)) void reply.code(304).send();
  else sendJson(reply, answer.toBuffer());
}

/**
 * Sends a cached answer that is not of one chat.
 *
 * @throws ScrollbackError `overloaded`; nothing has been sent.
 */
export function sendAnswer(reply: FastifyReply, answer: CachedJson<unknown>): void {
  requireRoom(reply, answer);
  void reply.header('cache-status', CACHE_STATUS[answer.source]).header('cache-control', 'private, no-cache');
  sendJson(reply, answer.toBuffer());
}

/** Sets the headers of an answer to a write: the chat's version after it. */
export function setChatVersion(reply: FastifyReply, version: number): FastifyReply {
  setHeaders(reply, versionHeaders(version));
  return reply;
}

/** Headers that tell a chat's version: names and values in turn. */
export function versionHeaders(version: number): string[] {
  return ['chat-version', String(version), 'etag', chatEtag(version)];
}

/** Sends JSON that is text or bytes already. */
export function sendJson(reply: FastifyReply, json: string | Buffer): void {
  void reply.header('content-type', JSON_TYPE).send(json);
}

/** @throws ScrollbackError `overloaded` when too much waits for its readers for another large answer to be put together. */
function requireRoom(reply: FastifyReply, answer: CachedJson<unknown>): void {
  reply.server.getDecorator<WaitingAnswers>(WAITING_ANSWERS).requireRoom(answer.byteLength);
}

/** The entity tag of everything that is told of a chat at a version. */
function chatEtag(version: number): string {
  return `"v${version}"`;
}

/** Whether an `If-None-Match` names the tag; compared weakly, as RFC 9110 wants it. */
function isMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header === etag || header === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
