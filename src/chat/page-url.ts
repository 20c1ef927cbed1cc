import { DEFAULT_PAGE_LIMIT, type PageQuery } from '../cache/read/page-range.js';
import { MAX_LIMIT } from './input-schemas.js';

/** What a URL asks for. */
export interface PageRequest {
  readonly chatId: string;
  readonly query: PageQuery;
}

/** The pattern of the URLs that are read here. */
export const MESSAGES_ROUTE = '/v1/chats/:chatId/messages';

const PREFIX = '/v1/chats/';
const UUID_LENGTH = 36;
const SUFFIX = '/messages';
const QUERY_AT = PREFIX.length + UUID_LENGTH + SUFFIX.length;

/** The chat of a URL that names its messages and nothing else, as it stands there; `undefined` for any other URL. */
export function chatOfMessagesUrl(url: string): string | undefined {
  return url.length === QUERY_AT ? chatOf(url) : undefined;
}

/**
 * Reads the URL of a page of messages, if it is written as most are: numbers in full, nothing escaped, nothing twice, nothing
 * wrong. `undefined` says nothing about any other. The schemas decide what is right; a test holds the two against each other.
 */
export function parsePageUrl(url: string): PageRequest | undefined {
  const chatId = chatOf(url);
  if (chatId === undefined) return undefined;
  if (url.length === QUERY_AT) return { chatId, query: { limit: DEFAULT_PAGE_LIMIT } };
  if (url[QUERY_AT] !== '?') return undefined;
  const query: { before?: number; after?: number; around?: number; limit?: number } = {};
  for (let at = QUERY_AT + 1; at <= url.length;) {
    const next = url.indexOf('&', at);
    const end = next === -1 ? url.length : next;
    const equals = url.indexOf('=', at);
    if (equals === -1 || equals > end) return undefined;
    const name = url.slice(at, equals);
    const value = parseNumber(url, equals + 1, end);
    if (value === undefined) return undefined;
    if (name !== 'before' && name !== 'after' && name !== 'around' && name !== 'limit') return undefined;
    if (query[name] !== undefined) return undefined;
    query[name] = value;
    at = end + 1;
  }
  const { before, after, around, limit = DEFAULT_PAGE_LIMIT } = query;
  const places = Number(before !== undefined) + Number(after !== undefined) + Number(around !== undefined);
  if (places > 1 || before === 0 || around === 0 || limit === 0 || limit > MAX_LIMIT) return undefined;
  return { chatId, query: { before, after, around, limit } };
}

function chatOf(url: string): string | undefined {
  if (!url.startsWith(PREFIX) || !url.startsWith(SUFFIX, PREFIX.length + UUID_LENGTH)) return undefined;
  return url.slice(PREFIX.length, PREFIX.length + UUID_LENGTH);
}

/** Longest number that is certainly below 2^53. */
const MAX_DIGITS = 15;

function parseNumber(text: string, from: number, end: number): number | undefined {
  const digits = end - from;
  if (digits === 0 || digits > MAX_DIGITS || (digits > 1 && text[from] === '0')) return undefined;
  let value = 0;
  for (let at = from; at < end; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}
