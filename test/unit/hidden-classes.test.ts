import { describe, expect, it } from '@jest/globals';
import { setFlagsFromString } from 'node:v8';
import { actingFor, withRequestId, type Caller } from '../../src/auth/caller.js';
import { decodeMessage, encodeChanges } from '../../src/cache/coherence/bus/change-codec.js';
import { MessageWriter } from '../../src/cache/coherence/bus/message-writer.js';
import { Sending } from '../../src/chat/sending.js';
import type { MessageRepository } from '../../src/storage/message-repository.js';
import { asCommitted } from '../../src/storage/write/change.js';

setFlagsFromString('--allow-natives-syntax');
const haveSameClass = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: unknown, b: unknown) => boolean;

/** Whether what is made again and again has one hidden class, once the code that makes it is warm. */
function isOfOneClass(make: (index: number) => unknown): boolean {
  for (let index = 0; index < 2000; index++) make(index);
  return haveSameClass(make(1), make(2));
}

const CHAT = '01980000-0000-7000-8000-000000000001';
const SERVICE: Caller = { type: 'service', keyName: 'ours' };

describe('what each request or message makes has one hidden class', () => {
  it('which objects of different forms have not', () => {
    expect(isOfOneClass((a) => ({ a }))).toBe(true);
    expect(isOfOneClass((index) => (index % 2 === 0 ? { a: index } : { b: index }))).toBe(false);
  });

  it('a caller', () => {
    expect(isOfOneClass((index) => withRequestId(SERVICE, `request-${index}`))).toBe(true);
    expect(isOfOneClass((index) => actingFor(`user-${index}`, SERVICE))).toBe(true);
  });

  it('a message to be sent', () => {
    const sending = new Sending({} as MessageRepository, { maxTextBytes: 100 });
    expect(
      isOfOneClass((index) => sending.read(CHAT, { text: `text ${index}`, senderId: 'ann' }, 'key', SERVICE)),
    ).toBe(true);
  });

  it('what a peer says of a chat that nobody reads here', () => {
    const writer = new MessageWriter(10_000);
    const heardAt = (index: number): unknown => {
      const changes = asCommitted({ chatId: CHAT, changes: [{ type: 'removed' as const, version: index + 1 }] });
      writer.clear();
      writer.add(encodeChanges(changes));
      const message = writer.finish({ sender: 'ann', sentAtMs: Date.now(), beat: 7, run: 'run' });
      return decodeMessage(message, 'bob', () => false)!.heard[0];
    };
    expect(isOfOneClass(heardAt)).toBe(true);
  });
});
