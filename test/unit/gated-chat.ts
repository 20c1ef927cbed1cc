import { beforeEach, expect } from '@jest/globals';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import { CacheUnderTest, Gate, quiet } from './cache-under-test.js';
import { FakeDatabase, type Write } from './fake-database.js';
import { sampleChatId } from './sample-records.js';

/** The chat of each test. */
export const CHAT = sampleChatId(1);
/** Its last message: two blocks and a bit. */
export const LAST_SEQ = 2 * BLOCK_SIZE + 12;

/** A fresh database with the chat in it, the gate before it, and the cache over it: new for every test of a file that imports this. */
export let database: FakeDatabase;
export let gate: Gate;
export let tested: CacheUnderTest;

beforeEach(() => {
  database = new FakeDatabase();
  database.commit(CHAT, { type: 'create', userIds: ['alice', 'bob'], lastSeq: LAST_SEQ });
  gate = new Gate();
  tested = new CacheUnderTest(database, gate.pass);
});

/** Puts a cache with other options over the same database. */
export function testWith(options: ConstructorParameters<typeof CacheUnderTest>[2]): void {
  tested = new CacheUnderTest(database, gate.pass, options);
}

/** Commits on this instance, which hears of it. */
export function write(...writes: readonly Write[]): void {
  tested.announce(CHAT, ...writes.map((each) => database.commit(CHAT, each)!));
}

/** Commits on another instance. */
export function writeElsewhere(...writes: readonly Write[]): void {
  for (const each of writes) expect(database.commit(CHAT, each)).toBeDefined();
}

/** A message of bob's. */
export const SEND: Write = { type: 'send', senderId: 'bob' };

/** Brings the chat with its tail into the cache. */
export async function load(): Promise<void> {
  const reading = tested.chats.read(CHAT);
  await gate.open('loadChats reads');
  await gate.open('loadChats answers');
  await reading;
}

/** Brings a chat that is behind up to date. */
export async function repair(): Promise<void> {
  const reading = tested.chats.read(CHAT);
  await gate.open('loadChanges reads');
  await gate.open('loadChanges answers');
  await Promise.race([reading, quiet()]);
}

/** Lets everything pass until a promise is settled. */
export async function passUntil(promise: Promise<unknown>): Promise<void> {
  let isSettled = false;
  const note = (): void => {
    isSettled = true;
  };
  promise.then(note, note);
  for (await quiet(); !isSettled; await quiet()) {
    for (const step of gate.waiting) await gate.open(step);
  }
}
