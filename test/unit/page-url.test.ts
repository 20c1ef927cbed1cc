import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULT_PAGE_LIMIT } from '../../src/cache/read/page-range.js';
import { messagesQuery } from '../../src/chat/input-schemas.js';
import { parsePageUrl } from '../../src/chat/page-url.js';
import { sampleChatId } from './sample-records.js';

const CHAT = sampleChatId(7);

const value = fc.oneof(
  fc.nat(250).map(String),
  fc.bigInt({ min: 0n, max: 2n ** 60n }).map(String),
  fc.constantFrom(
    '',
    '0',
    '00',
    '01',
    '-1',
    '+1',
    '1.0',
    '1e2',
    ' 1',
    '1 ',
    'firstUnread',
    '%31',
    '٣',
    '1=1',
    '200',
    '201',
  ),
);
const parameter = fc.tuple(
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('before', 'after', 'around', 'limit') },
    { weight: 1, arbitrary: fc.constantFrom('Limit', 'limi', '', '__proto__', 'x', 'limit%20', 'limit[]') },
  ),
  value,
);

describe('the URL of a page', () => {
  it('means what the schema says, whenever it is read at first sight', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(parameter, { maxLength: 3 }), fc.constantFrom('', '&', '#'), (parameters, end) => {
        const query = parameters.map(([name, text]) => `${name}=${text}`).join('&') + end;
        const found = parsePageUrl(`/v1/chats/${CHAT}/messages${query === '' ? '' : `?${query}`}`);
        if (found === undefined) return;
        read++;
        const names = parameters.map(([name]) => name);
        expect(new Set(names).size).toBe(names.length);
        const { before, after, around, limit } = messagesQuery.parse(Object.fromEntries(parameters));
        expect(found).toEqual({ chatId: CHAT, query: { before, after, around, limit: limit ?? DEFAULT_PAGE_LIMIT } });
      }),
      { numRuns: 3000 },
    );
    expect(read).toBeGreaterThan(300);
  });

  it('is read when it is written as usual', () => {
    expect(parsePageUrl(`/v1/chats/${CHAT}/messages`)).toEqual({ chatId: CHAT, query: { limit: 50 } });
    expect(parsePageUrl(`/v1/chats/${CHAT}/messages?limit=20&before=900`)).toEqual({
      chatId: CHAT,
      query: { limit: 20, before: 900 },
    });
    expect(parsePageUrl(`/v1/chats/${CHAT}/messages?after=0`)).toEqual({
      chatId: CHAT,
      query: { limit: 50, after: 0 },
    });
  });

  it('of anything else is left to the framework', () => {
    for (const url of [
      '/',
      '/v1/chats',
      `/v1/chats/${CHAT}`,
      `/v1/chats/${CHAT}/messages/`,
      `/v1/chats/${CHAT}/messages/7`,
      `/v1/chats/${CHAT}/messages?`,
      `/v1/chats/${CHAT}/messages?limit=5&`,
      `/v1/chats/${CHAT}/messages?&limit=5`,
      `/v1/chats/${CHAT}/messagesx`,
      `//v1/chats/${CHAT}/messages`,
      `http://host/v1/chats/${CHAT}/messages`,
    ]) {
      expect({ url, found: parsePageUrl(url) }).toEqual({ url, found: undefined });
    }
  });
});
