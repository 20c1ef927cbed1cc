import { describe, expect, it } from '@jest/globals';
import { decodeMessage, encodeChanges, encodeVersion } from '../../src/cache/coherence/bus/change-codec.js';
import { changesJson } from '../../src/cache/coherence/bus/changes-json.js';
import { MessageWriter } from '../../src/cache/coherence/bus/message-writer.js';
import { asCommitted, type Change, type ChatChanges, type Committed } from '../../src/storage/write/change.js';
import { sampleChatId, sampleMessage } from './sample-records.js';

const MAX_BYTES = 256 * 1024;
const HEAD = { sender: 'ann', sentAtMs: 1, beat: 2, run: 'run' };

function sent(version: number, text: string): Change {
  return {
    type: 'message',
    version,
    cause: 'sent',
    message: sampleMessage({ seq: version, text }),
    wasCountable: false,
  };
}

function changesOf(number: number, text: string): Committed<ChatChanges> {
  return asCommitted({ chatId: sampleChatId(number), changes: [sent(number, text)] });
}

function textsOf(message: Buffer): unknown[] {
  const { heard } = decodeMessage(message, 'bob', () => true)!;
  return heard.map(({ changes }) => changes?.changes.map((change) => 'message' in change && change.message.text));
}

describe('a writer of messages', () => {
  it('has memory that grows with them, and is used again', () => {
    const writer = new MessageWriter(MAX_BYTES);
    for (const round of [1, 2]) {
      const texts = Array.from({ length: 200 }, (_unused, at) => `${round} ${'é'.repeat(at)} \u{10ffff}`);
      let bytes = 0;
      for (const [at, text] of texts.entries()) bytes += writer.add(encodeChanges(changesOf(at + 1, text)));
      expect(bytes).toBeGreaterThan(65_536);
      expect(writer.bytes).toBe(bytes);
      expect(textsOf(writer.finish(HEAD))).toEqual(texts.map((text) => [text]));
      writer.clear();
      expect(writer.bytes).toBe(0);
    }
  });

  it('takes frames up to the last byte, and none for which there is no room', () => {
    const writer = new MessageWriter(1000);
    const [left, none] = [encodeChanges(changesOf(1, '')), encodeVersion(sampleChatId(2), 1)];
    const fixed = new MessageWriter(1000).add(left);
    const text = 'é'.repeat(Math.floor((600 - fixed) / 2));
    expect(writer.add(encodeChanges(changesOf(1, `${text}éé`)))).toBe(0);
    expect(writer.bytes).toBe(0);
    expect(writer.add(encodeChanges(changesOf(1, text)))).toBeGreaterThan(590);
    expect(writer.add(none)).toBe(0);
    expect(textsOf(writer.finish(HEAD))).toEqual([[text]]);
    expect(writer.finish(HEAD).length).toBeLessThanOrEqual(1000);
  });

  it('puts a head before them that is longer than the room for it', () => {
    const writer = new MessageWriter(MAX_BYTES);
    writer.add(encodeChanges(changesOf(1, 'text')));
    const message = writer.finish({ ...HEAD, run: 'r'.repeat(500) });
    expect(decodeMessage(message, 'bob', () => true)?.head.run).toHaveLength(500);
    expect(textsOf(message)).toEqual([['text']]);
  });

  it('refuses to write messages whose lengths it could not tell', () => {
    for (const bytes of [0, 400, 1_000_000, Number.NaN]) expect(() => new MessageWriter(bytes)).toThrow(RangeError);
  });
});

describe('the JSON of changes', () => {
  it('is what JSON.stringify writes, field by field', () => {
    const plain = sampleMessage({ seq: 3 });
    const full = {
      ...plain,
      clientId: 'c "1"',
      kind: 'system' as const,
      text: '\ud800 \u2028 \\ \u0000',
      metadataJson: '{"a":"b"}',
      replyTo: 2,
      editedAtMs: 5,
      deletedAtMs: 6,
      reactions: [{ emoji: '👍', count: 1, userIds: ['ann'] }],
    };
    const none = { ...plain, text: null };
    for (const message of [plain, full, none]) {
      const change = { type: 'message', version: 4, cause: 'edited', message, wasCountable: true } as const;
      expect(JSON.parse(changesJson([change]))).toStrictEqual([change]);
      expect(JSON.parse(changesJson([change, { type: 'removed', version: 5 }]))).toHaveLength(2);
    }
    expect(changesJson([{ type: 'removed', version: 5 }])).toBe('[{"type":"removed","version":5}]');
  });
});
