import { describe, expect, it } from '@jest/globals';
import type { LaneMessage } from '../../src/cache/coherence/bus/bus-link.js';
import { decodeMessage, type MessageHead } from '../../src/cache/coherence/bus/change-codec.js';
import { Outbox } from '../../src/cache/coherence/bus/outbox.js';
import { asCommitted, type ChatChanges, type Committed } from '../../src/storage/write/change.js';
import { sampleChatId, sampleMessage } from './sample-records.js';

const MAX_BYTES = 8000;
const headOf = (run: string): MessageHead => ({ sender: 'ann', sentAtMs: 1, beat: 2, run });

function sent(number: number, version: number, text = 'text'): Committed<ChatChanges> {
  const message = sampleMessage({ seq: version, text });
  const change = { type: 'message' as const, version, cause: 'sent' as const, message, wasCountable: false };
  return asCommitted({ chatId: sampleChatId(number), changes: [change] });
}

/** What messages tell: lane, run, chat and version, and the text if the changes are told. */
function tell(messages: readonly LaneMessage[]): unknown[] {
  return messages.flatMap(({ lane, bytes }) => {
    const { head, heard } = decodeMessage(bytes, 'bob', () => true)!;
    return heard.map(({ chatId, version, changes }) => {
      const [change] = changes?.changes ?? [];
      const text = change?.type === 'message' ? [change.message.text] : [];
      return [lane, head.run, Number(chatId.slice(-12)), version, ...text];
    });
  });
}

const take = (outbox: Outbox) => outbox.take(headOf, (chatId) => Number(chatId.slice(-1)));

describe('what waits for being sent', () => {
  it('is packed by lane and run, in the order in which it came', () => {
    const outbox = new Outbox(MAX_BYTES);
    outbox.add('one', sent(1, 1, 'a'), 1);
    outbox.add('one', sent(2, 1, 'b'), 2);
    outbox.add('one', sent(1, 2, 'c'), 1);
    outbox.add('two', sent(1, 3, 'd'), 1);
    outbox.add('two', sent(4, 9), undefined);
    const { messages } = take(outbox);
    expect(tell(messages)).toEqual([
      [1, 'one', 1, 1, 'a'],
      [1, 'one', 1, 2, 'c'],
      [2, 'one', 2, 1, 'b'],
      [1, 'two', 1, 3, 'd'],
      [4, 'two', 4, 9],
    ]);
    expect(messages).toHaveLength(4);
    expect([outbox.isEmpty, outbox.waitingBytes, outbox.versionOnly]).toEqual([true, 0, 1]);
  });

  it('is told by its version when it is larger than a message', () => {
    const outbox = new Outbox(MAX_BYTES);
    outbox.add('run', sent(1, 1, 'before'), 1);
    outbox.add('run', sent(1, 2, 'x'.repeat(MAX_BYTES)), 1);
    outbox.add('run', sent(1, 3, 'behind'), 1);
    const { messages } = take(outbox);
    expect(messages).toHaveLength(2);
    expect(tell(messages)).toEqual([
      [1, 'run', 1, 1, 'before'],
      [1, 'run', 1, 3, 'behind'],
      [1, 'run', 1, 2],
    ]);
    for (const { bytes } of messages) expect(bytes.length).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('is written over what was sent, and not over what may still be on its way', () => {
    const outbox = new Outbox(MAX_BYTES);
    outbox.add('run', sent(1, 1, 'first'), 1);
    const first = take(outbox);
    outbox.add('run', sent(1, 2, 'second'), 1);
    expect(tell(first.messages)).toEqual([[1, 'run', 1, 1, 'first']]);
    first.done();
    outbox.add('run', sent(1, 3, 'third'), 1);
    const second = take(outbox);
    expect(tell(second.messages)).toEqual([
      [1, 'run', 1, 2, 'second'],
      [1, 'run', 1, 3, 'third'],
    ]);
    // What was done is free, and the next message is there.
    outbox.add('run', sent(1, 4, 'fourth'), 1);
    const third = take(outbox);
    expect(third.messages[0]!.bytes.buffer).toBe(first.messages[0]!.bytes.buffer);
    second.undo();
    outbox.add('run', sent(2, 5, 'fifth'), 1);
    expect(tell(second.messages)).toHaveLength(2);
    const fourth = take(outbox);
    expect(tell(fourth.messages)).toEqual([
      [1, 'run', 2, 5, 'fifth'],
      [1, 'run', 1, 3],
    ]);
    expect(fourth.messages.map(({ bytes }) => bytes.buffer)).not.toContain(second.messages[0]!.bytes.buffer);
  });

  it('is given up for versions, the newest of each chat', () => {
    const outbox = new Outbox(MAX_BYTES);
    for (let version = 1; version <= 300; version++) outbox.add('run', sent(version % 3, version), version % 2);
    expect(outbox.waitingBytes).toBeGreaterThan(300 * 200);
    outbox.forgetChanges();
    expect(outbox.waitingBytes).toBe(0);
    expect(tell(take(outbox).messages)).toEqual([
      [1, 'run', 1, 298],
      [0, 'run', 0, 300],
      [2, 'run', 2, 299],
    ]);
    expect(outbox.isEmpty).toBe(true);
  });

  it('goes in several sends when it is much, and loses nothing', () => {
    const outbox = new Outbox(MAX_BYTES);
    const count = 3000;
    for (let at = 1; at <= count; at++) outbox.add('run', sent(at, at, 'x'.repeat(300)), at % 2);
    const told: unknown[] = [];
    let sends = 0;
    for (; !outbox.isEmpty; sends++) {
      const { messages, done } = take(outbox);
      told.push(...tell(messages));
      expect(messages.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(2 ** 19 + 2 * MAX_BYTES);
      done();
    }
    expect(sends).toBeGreaterThan(2);
    expect(told).toHaveLength(count);
    expect(outbox.waitingBytes).toBe(0);
  });
});
