import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { WireMessage } from '../../src/cache/wire-types.js';
import type { ApiClient } from '../support/api-client.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { bodyOf } from './expect-answer.js';
import { seededRuns } from './property.js';

/** Pieces that are often lost, trimmed, normalized, escaped or cut in two. */
const AWKWARD = [
  ...[
    ' ',
    '\t',
    '\n',
    '\r',
    '\r\n',
    '\v',
    '\f',
    '\b',
    '\u0001',
    '\u001b[31m',
    '\u001f',
    '\u007f',
    '\u0085',
    '\u009f',
    '\u00a0',
    '\u00ad',
  ],
  ...[
    '\ufeff',
    '\ufffe',
    '\uffff',
    '\ufffd',
    '\ufdd0',
    '\u{1fffe}',
    '\u{10ffff}',
    '\ue000',
    '\u{f0000}',
    '\u2028',
    '\u2029',
    '\u200b',
    '\u3000',
  ],
  ...[
    'é',
    'e\u0301',
    '\u0301',
    'Å',
    'Å',
    'ﬀ',
    'İ',
    'ı',
    'ß',
    'ẞ',
    'ς',
    'q\u0307\u0323',
    'Z\u0351\u036b\u0343\u036a',
    'ก็็็็',
    '각',
    '각',
  ],
  ...[
    'שלום',
    'مرحبا',
    '\u202eabc\u202c',
    '\u2067x\u2069',
    '\u200f',
    '\u061c',
    'नमस्ते',
    '漢字',
    '𠮷',
    '𝒳',
    '葛\u{e0100}',
  ],
  ...['👨‍👩‍👧‍👦', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🇩🇪', '🇩', '👍🏽', '1️⃣', '❤', '❤️', '❤\ufe0e', '🦀', '\u200d', '\ufe0f'],
  ...[
    '"',
    "'",
    '\\',
    '\\\\',
    '\\u0000',
    '\\x00',
    '\\"',
    '/',
    '`',
    '$1',
    '%',
    '%s',
    '%00',
    '&amp;',
    '<b>',
    '</script>',
    '{"a":1}',
    '},{',
    ',',
    'NULL',
    'null',
    '{}',
  ],
  ...["E'\\n'", "';--", '$$', '\u001f', '?', '{1,2}', '(1,"a")'],
];

const text = fc
  .oneof(
    {
      weight: 3,
      arbitrary: fc.array(fc.constantFrom(...AWKWARD), { minLength: 1, maxLength: 60 }).map((parts) => parts.join('')),
    },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 2000, size: 'max' }) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...AWKWARD), fc.integer({ min: 1, max: 160 }))
        .map(([part, times]) => part.repeat(times)),
    },
  )
  .map((value) => value.replaceAll('\u0000', ''))
  .filter((value) => value !== '' && value.isWellFormed());

/** How a client may write a text in JSON. */
const writer = fc.constantFrom('plain', 'escaped');

function writeJson(value: string, how: string): string {
  if (how === 'plain') return JSON.stringify(value);
  const units = Array.from({ length: value.length }, (_unused, at) => value.charCodeAt(at));
  return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')}"`;
}

describe('every well-formed text', () => {
  let running: TestInstance;
  let api: ApiClient;
  let chatId: string;
  const sent: string[] = [];
  beforeAll(async () => {
    running = await startTestInstance();
    api = running.api.as('ann');
    chatId = (await api.createChat({ participants: [{ userId: 'ann' }] })).id;
  });
  afterAll(() => running.close());

  const readAll = async (client: ApiClient): Promise<WireMessage[]> => {
    const items: WireMessage[] = [];
    for (let after = 0; ; after = items.at(-1)!.seq) {
      const page = await client.page(chatId, `?after=${after}&limit=77`);
      items.push(...page.items);
      if (!page.hasNewer) return items;
    }
  };
  const bytesOf = (value: string | undefined): string => Buffer.from(value ?? '', 'utf8').toString('hex');

  it('comes back byte for byte from every route that shows it', async () => {
    await fc.assert(
      fc.asyncProperty(text, writer, async (value, how) => {
        const path = `/v1/chats/${chatId}/messages`;
        const message = await bodyOf(api.post<WireMessage>(path, `{"text":${writeJson(value, how)}}`), 201);
        sent.push(value);
        const { items, version } = await api.page(chatId, '?limit=1');
        const shown = {
          post: message.text,
          page: items[0]?.text,
          message: (await bodyOf(api.get<WireMessage>(`${path}/${message.seq}`), 200)).text,
          changes: (await api.changes(chatId, version - 1)).messages[0]?.text,
          inbox: (await api.inbox('ann', '?limit=1')).items[0]?.lastMessage?.text,
        };
        const edited = await bodyOf(
          api.patch<WireMessage>(`${path}/${message.seq}`, `{"text":${writeJson(`.${value}`, how)}}`),
          200,
        );
        await bodyOf(api.patch(`${path}/${message.seq}`, { text: value }), 200);
        const texts = { ...shown, edited: edited.text?.slice(1) };
        const bytes = Object.fromEntries(Object.entries(texts).map(([name, each]) => [name, bytesOf(each)]));
        expect(bytes).toEqual(Object.fromEntries(Object.keys(texts).map((name) => [name, bytesOf(value)])));
      }),
      seededRuns('text fidelity', 200),
    );
  });

  it('stands in the database as it was sent, and comes back from an instance that reads it there', async () => {
    expect(sent.length).toBeGreaterThanOrEqual(200);
    const expected = sent.map(bytesOf);
    const rows = await running.database.query<{ hex: string }>(
      `SELECT encode(convert_to(text, 'UTF8'), 'hex') AS hex FROM message WHERE chat_id = $1 ORDER BY seq`,
      [chatId],
    );
    expect(rows.map(({ hex }) => hex)).toEqual(expected);
    expect((await readAll(api)).map((message) => bytesOf(message.text))).toEqual(expected);
    for (const mode of ['on', 'off']) {
      const other = await startTestInstance({ CACHE_MODE: mode }, running.database);
      try {
        expect((await readAll(other.api)).map((message) => bytesOf(message.text))).toEqual(expected);
      } finally {
        await other.close();
      }
    }
  });

  it('may be as long as MAX_TEXT_BYTES, counted in bytes', async () => {
    for (const value of [
      'x'.repeat(16_384),
      'é'.repeat(8192),
      `${'€'.repeat(5461)}x`,
      '🦀'.repeat(4096),
      '\u0001'.repeat(10_000),
    ]) {
      const message = await api.send(chatId, { text: value });
      expect(bytesOf(message.text)).toBe(bytesOf(value));
      expect(bytesOf((await api.page(chatId, '?limit=1')).items[0]?.text)).toBe(bytesOf(value));
    }
  });

  it('comes back also as a title, in metadata, and in its keys', async () => {
    const title = text.filter((value) => [...value].length <= 500);
    const metadata = fc.dictionary(title, fc.oneof(title, fc.array(title, { maxLength: 3 })), {
      maxKeys: 3,
      noNullPrototype: true,
    });
    await fc.assert(
      fc.asyncProperty(title, metadata, async (name, object) => {
        fc.pre(!Object.keys(object).some((key) => ['__proto__', 'constructor', 'prototype'].includes(key)));
        fc.pre(Buffer.byteLength(JSON.stringify(object)) <= 16_384);
        const chat = await api.createChat({ title: name, metadata: object });
        expect({ title: bytesOf(chat.title ?? ''), metadata: chat.metadata }).toEqual({
          title: bytesOf(name),
          metadata: object,
        });
        const message = await api.send(chat.id, { text: 'x', metadata: object });
        expect(message.metadata ?? {}).toEqual(object);
      }),
      seededRuns('titles and metadata', 60),
    );
  });
});
