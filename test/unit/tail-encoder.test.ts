import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChatEntry } from '../../src/cache/local/chat-entry.js';
import { JsonWriter } from '../../src/cache/local/json-writer.js';
import { BLOCK_SIZE, MessageBlock } from '../../src/cache/local/message-block.js';
import { TailEncoder, type EncodedTail } from '../../src/cache/local/tail-encoder.js';
import { messageJson, timeText } from '../../src/cache/local/wire-json.js';
import { compactJson } from '../../src/storage/compact-json.js';
import { MessageRow } from '../../src/storage/message-row.js';
import type { MessageRecord } from '../../src/storage/records.js';
import { COPY_HEADER, COPY_TRAILER, copyRow } from './copy-rows.js';
import { sampleChat, sampleChatId, sampleMessage } from './sample-records.js';

/** A message, and its metadata as the database writes it. */
interface Row {
  readonly message: MessageRecord;
  readonly metadata: string | null;
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u0000', '\u001f', '\u007f', 'a', 'é', '🍕'), maxLength: 40 }),
  fc.constantFrom('', '\u2028\u2029', '\uffff', '\u{10ffff}', 'plain', `${'x'.repeat(70_000)}"`),
);

/** Times that PostgreSQL and JavaScript both have, most of them of our days. */
const time = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: Date.UTC(1990), max: Date.UTC(2100) }) },
  { weight: 1, arbitrary: fc.integer({ min: Date.UTC(-4000), max: Date.UTC(270_000) }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -1, Date.UTC(2000), Date.UTC(2000) - 1, Date.UTC(2024, 1, 29)) },
);

const seqOrNone = fc.option(fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom(2 ** 31, 2 ** 40 + 1, 0, -5)));

const metadata = fc.option(
  fc.dictionary(text, fc.oneof(text, fc.integer(), fc.constant([1, { a: ', ', b: ': ' }])), { maxKeys: 3 }),
  { freq: 3 },
);

const reactions = fc.array(
  fc.record({ emoji: text, count: fc.nat(), userIds: fc.array(text, { maxLength: 3 }) }, { noNullPrototype: true }),
  { maxLength: 2 },
);

const row: fc.Arbitrary<Row> = fc
  .record({
    senderId: text,
    clientId: fc.option(text),
    kind: fc.constantFrom('user' as const, 'user' as const, 'system' as const),
    body: fc.option(text, { freq: 8 }),
    metadata,
    replyTo: seqOrNone,
    createdAtMs: time,
    editedAtMs: fc.option(time),
    deletedAtMs: time,
    reactions,
  })
  .map(({ body, metadata: object, deletedAtMs, ...rest }) => {
    const json = object === null ? null : spaced(JSON.stringify(object));
    const message = sampleMessage({
      seq: 0,
      ...rest,
      text: body,
      metadataJson: json === null ? null : compactJson(json),
      deletedAtMs: body === null ? deletedAtMs : null,
    });
    return { message, metadata: json };
  });

/** Where a tail begins, which of its seqs have a row, and how many follow the last row. */
const tail = fc.record({
  firstIndex: fc.constantFrom(0, 1, 7),
  rows: fc.array(fc.option(row, { freq: 6 }), { maxLength: 2 * BLOCK_SIZE + 5, size: 'max' }),
});

/** White space as jsonb has it: behind each colon and comma outside of strings. */
function spaced(json: string): string {
  return json.replace(/"(?:[^"\\]|\\.)*"|[:,]/g, (part) => (part.length === 1 ? `${part} ` : part));
}

function encode(rows: readonly Row[], lastSeq: number): EncodedTail {
  const encoder = new TailEncoder();
  const message = new MessageRow({ onMessage: (each) => encoder.add(each) });
  encoder.start(lastSeq, new Map(rows.map((each) => [each.message.seq, each.message.reactions]).filter(hasReactions)));
  const [first, ...others] = rows.map((each) => copyRow(0, each.message, each.metadata));
  for (const data of [Buffer.concat([COPY_HEADER, first ?? COPY_TRAILER]), ...others]) {
    // Somewhere inside a packet.
    const packet = Buffer.concat([Buffer.alloc(3), data, Buffer.alloc(5)]);
    message.onData(packet, 3, packet.length - 5);
    packet.fill(0xff);
  }
  return encoder.finish();
}

function hasReactions(
  each: (number | readonly unknown[])[],
): each is [number, MessageRecord['reactions']] & (number | readonly unknown[])[] {
  return (each[1] as readonly unknown[]).length > 0;
}

function entryOf(lastSeq: number, messages: readonly MessageRecord[]): ChatEntry {
  const chatId = sampleChatId(1);
  const head = { lastSeq, version: 1, resetVersion: 0 };
  return new ChatEntry(chatId, { chatId, head, firstSeq: 1, chat: sampleChat(chatId), participants: [], messages });
}

/** Everything that a block is. */
function contents(block: MessageBlock): object {
  const { index, firstSeq, endSeq, bytes } = block;
  const messages = Array.from({ length: endSeq - firstSeq + 1 }, (_unused, at) =>
    block.slice(firstSeq + at, firstSeq + at).toString(),
  );
  return { index, endSeq, bytes, messages, whole: block.slice(firstSeq, endSeq).toString() };
}

describe('the encoding of messages from the database’s bytes', () => {
  it('gives the blocks that the records of the same messages give, byte for byte', () => {
    let messagesSeen = 0;
    fc.assert(
      fc.property(tail, ({ firstIndex, rows }) => {
        const firstSeq = firstIndex * BLOCK_SIZE + 1;
        const lastSeq = firstSeq + rows.length - 1;
        const present = rows.flatMap((each, at) =>
          each === null ? [] : [{ ...each, message: { ...each.message, seq: firstSeq + at } }],
        );
        messagesSeen += present.length;
        const messages = present.map(({ message }) => message);
        const expected = entryOf(lastSeq, messages);
        const { blocks, last } = encode(present, lastSeq);
        expect(blocks.map(contents)).toEqual(expected.cutBlocks(messages).map(contents));
        expect(last?.json.toString()).toBe(expected.lastMessage?.toString());
        if (last !== undefined) expect(last.createdAtMs).toBe(expected.lastActivityMs);
      }),
      { numRuns: 150 },
    );
    expect(messagesSeen).toBeGreaterThan(1000);
  });

  it('goes on from one chat to the next with nothing left over', () => {
    const encoder = new TailEncoder();
    const message = new MessageRow({ onMessage: (each) => encoder.add(each) });
    const header = Buffer.concat([COPY_HEADER, copyRow(0, sampleMessage({ seq: 1, text: 'left over' }))]);
    encoder.start(70, new Map([[1, [{ emoji: '👍', count: 1, userIds: ['bob'] }]]]));
    message.onData(header, 0, header.length);
    encoder.finish();
    encoder.start(3, new Map());
    const next = copyRow(1, sampleMessage({ seq: 2 }));
    message.onData(next, 0, next.length);
    const { blocks, last } = encoder.finish();
    expect(blocks.map(contents)).toEqual([contents(MessageBlock.of(0, [sampleMessage({ seq: 2 })], 3))]);
    expect(last).toBeUndefined();
  });

  it('refuses messages out of order rather than mixing them', () => {
    const encoder = new TailEncoder();
    const message = new MessageRow({ onMessage: (each) => encoder.add(each) });
    encoder.start(5, new Map());
    const data = Buffer.concat([COPY_HEADER, copyRow(0, sampleMessage({ seq: 2 }))]);
    message.onData(data, 0, data.length);
    for (const seq of [2, 1, 6]) {
      const again = copyRow(0, sampleMessage({ seq }));
      expect(() => message.onData(again, 0, again.length)).toThrow(`Message ${seq} is out of order.`);
    }
  });
});

describe('a message row', () => {
  const row = new MessageRow({ onMessage: () => undefined });

  it('refuses what is not the binary format', () => {
    const text = Buffer.from('a line in the text format of COPY\n');
    expect(() => row.onData(text, 0, text.length)).toThrow('not the binary format');
  });

  it('knows when the last one has come', () => {
    row.onData(COPY_HEADER, 0, COPY_HEADER.length);
    expect(row.isComplete).toBe(false);
    row.onData(COPY_TRAILER, 0, COPY_TRAILER.length);
    expect(row.isComplete).toBe(true);
  });

  it('refuses a row that is cut short or has other columns', () => {
    const whole = copyRow(0, sampleMessage({ seq: 1, replyTo: 7 }));
    for (const to of [whole.length - 1, whole.length - 9]) {
      expect(() => row.onData(whole, 0, to)).toThrow('does not end');
    }
    whole.writeInt16BE(10);
    expect(() => row.onData(whole, 0, whole.length)).toThrow('10 columns');
  });
});

describe('the JSON writer', () => {
  const written = (write: (json: JsonWriter) => void): string => {
    const json = new JsonWriter();
    write(json);
    return json.bytes.toString('utf8', 0, json.length);
  };

  it('writes every text as JSON.stringify does, wherever it lies', () => {
    fc.assert(
      fc.property(text, text, fc.nat(9), (before, each, offset) => {
        const bytes = Buffer.concat([Buffer.alloc(offset, '"'), Buffer.from(each), Buffer.from('"\\')]);
        const json = written((writer) => {
          writer.rawText(before);
          writer.string(bytes, offset, bytes.length - 2);
        });
        expect(json).toBe(before + JSON.stringify(each));
      }),
      { numRuns: 500 },
    );
  });

  it('writes every day as Date does', () => {
    for (const from of [Date.UTC(1000), Date.UTC(1890), Date.UTC(1990), Date.UTC(2390), Date.UTC(9990)]) {
      for (let day = 0; day < 4000; day++) {
        const timeMs = from + day * 86_400_000 + ((day * 7_654_321) % 86_400_000);
        const text = written((writer) => writer.time(timeMs));
        if (text !== JSON.stringify(timeText(timeMs))) expect(text).toBe(JSON.stringify(timeText(timeMs)));
      }
    }
  });

  it('writes whole numbers of any size', () => {
    for (const value of [0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 53, -1]) {
      expect(written((writer) => writer.integer(value))).toBe(String(value));
    }
  });

  it('writes the message that the record gives', () => {
    const message = sampleMessage({ seq: 1 });
    expect(encode([{ message, metadata: null }], 1).last?.json.toString()).toBe(messageJson(message));
  });
});
