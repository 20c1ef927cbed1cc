import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CacheResult } from '../cache/cache-stats.js';
import type { CachedJson } from '../cache/cached-json.js';

const CACHE_STATUS: Readonly<Record<CacheResult, string>> = {
  hit: 'scrollback; hit',
  miss: 'scrollback; fwd=miss',
  stale: 'scrollback; hit; detail=stale',
  bypass: 'scrollback; fwd=bypass',
};

const JSON_TYPE = 'application/json; charset=utf-8';

/** Sends a cached answer of one chat, or 304 if the caller has this version of it already. */
export function sendChatAnswer(request: FastifyRequest, reply: FastifyReply, answer: CachedJson<unknown>): void {
  const etag = chatEtag(answer.tagVersion);
  void reply
    .header('cache-status', CACHE_STATUS[answer.source])
    .header('chat-version', String(answer.version))
    .header('etag', etag)
    .header('cache-control', 'private, no-cache')
    .header('vary', 'authorization, x-user-id');
  if (isMatch(request.headers['if-none-match'], etag)) void reply.code(304).send();
  else sendJson(reply, answer.toBuffer());
}

/** Sends a cached answer that is not of one chat. */
export function sendAnswer(reply: FastifyReply, answer: CachedJson<unknown>): void {
  void reply.header('cache-status', CACHE_STATUS[answer.source]).header('cache-control', 'private, no-cache');
  sendJson(reply, answer.toBuffer());
}

/** Sets the headers of an answer to a write: the chat's version after it. */
export function setChatVersion(reply: FastifyReply, version: number): FastifyReply {
  return reply.header('chat-version', String(version)).header('etag', chatEtag(version));
}

/** Sends JSON that is text or bytes already. */
export function sendJson(reply: FastifyReply, json: string | Buffer): void {
  void reply.header('content-type', JSON_TYPE).send(json);
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
