import { expect } from '@jest/globals';
import { ChatEntry } from '../../src/cache/local/chat-entry.js';
import type { MemoryStore } from '../../src/cache/local/memory-store.js';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import type { Resident } from '../../src/cache/local/resident.js';
import { messageJson } from '../../src/cache/local/wire-json.js';
import type { WireInbox } from '../../src/cache/wire-types.js';
import type { CacheUnderTest } from './cache-under-test.js';
import { isMember, unreadIn, type ChatState, type FakeDatabase } from './fake-database.js';

/** The entry is what the database has now, and every block of it says what the rows say. */
export function expectHeldAsInDatabase(tested: CacheUnderTest, database: FakeDatabase, chatId: string): void {
  expectHeldAs(tested.state.store.getChat(chatId)!, database.state(chatId));
}

/** The entry is what the database has, or had, at a version, and every block of it says what the rows say. */
export function expectHeldAs(entry: ChatEntry, state: ChatState): void {
  const { chatId } = entry;
  expect(entry.version).toBe(state.version);
  expect(entry.lastSeq).toBe(state.lastSeq);
  expect(entry.isPresent).toBe(state.chat !== undefined);
  if (state.chat === undefined) return;
  expect(entry.json).toBe(jsonOf(chatId, state));
  expect([...entry.members.keys()].toSorted()).toEqual(membersOf(state).toSorted());
  expect(entry.lastMessage?.toString()).toEqual(lastJsonOf(state));
  for (const block of entry.blocks.values()) {
    const end = Math.min(state.lastSeq, (block.index + 1) * BLOCK_SIZE);
    expect(block.endSeq).toBe(end);
    expect(block.slice(block.firstSeq, end).toString()).toBe(itemsOf(state, block.firstSeq, end));
  }
}

/** The ledger is the sum of what is held, charged in full, and within the budget. */
export function expectLedger(store: MemoryStore): void {
  const held: Resident[] = [];
  for (const chatId of store.chatIds) {
    const entry = store.getChat(chatId)!;
    held.push(entry, ...entry.blocks.values());
  }
  for (const userId of store.userIds) held.push(store.getUser(userId)!);
  expect(held.filter(({ chargedBytes, bytes }) => chargedBytes !== bytes)).toEqual([]);
  expect(store.bytes).toBe(held.reduce((sum, { bytes }) => sum + bytes, 0));
  expect(store.bytes).toBeLessThanOrEqual(store.maxBytes);
}

/** The chat's JSON at a version. */
export function jsonOf(chatId: string, state: ChatState): string {
  const { version, lastSeq, chat } = state;
  const participants = [...state.participants.values()].filter(({ leftAtMs }) => leftAtMs === null);
  const head = { version, lastSeq, resetVersion: 0 };
  return new ChatEntry(chatId, { chatId, head, firstSeq: 1, chat, participants, messages: [] }).json;
}

/** The JSON of messages, comma-separated. */
export function itemsOf({ messages }: ChatState, fromSeq: number, toSeq: number): string {
  const rows = [...messages.values()].filter(({ seq }) => seq >= fromSeq && seq <= toSeq);
  return rows.map(messageJson).join(',');
}

/** User ids of who is in the chat. */
export function membersOf(state: ChatState): string[] {
  return [...state.participants.keys()].filter((userId) => isMember(state, userId));
}

/** What an instance has to show to a reading that begins now: the versions of chats. */
export interface Knowledge {
  /** Versions that it has shown or been told of. */
  readonly seen: ReadonlyMap<string, number>;
  /** Versions up to which it has been told of everything, who came into the chat included. */
  readonly whole: ReadonlyMap<string, number>;
}

/**
 * Every chat of an inbox is told as it was at one version, its unread count too; and no chat is missing that the user
 * was in from the beginning of the reading to its end.
 */
export function expectInbox(inbox: WireInbox, userId: string, database: FakeDatabase, known: Knowledge): void {
  const listed = inbox.items.map(({ chat }) => chat.id);
  expect(new Set(listed).size).toBe(listed.length);
  for (const { chat, role, lastReadSeq, unread, lastMessage } of inbox.items) {
    expect(chat.version).toBeGreaterThanOrEqual(known.seen.get(chat.id)!);
    const state = database.state(chat.id, chat.version);
    expect(isMember(state, userId)).toBe(true);
    expect(JSON.stringify(chat)).toBe(jsonOf(chat.id, state));
    expect({ role, lastReadSeq }).toEqual({
      role: state.participants.get(userId)!.role,
      lastReadSeq: state.participants.get(userId)!.lastReadSeq,
    });
    expect({ version: chat.version, unread }).toEqual({ version: chat.version, unread: unreadIn(state, userId) });
    expect(lastMessage).toEqual(JSON.parse(lastJsonOf(state) ?? 'null'));
  }
  for (const [chatId, version] of known.whole) {
    const isIn = database.statesSince(chatId, version).every((state) => isMember(state, userId));
    if (isIn) expect(listed).toContain(chatId);
  }
}

function lastJsonOf({ messages, lastSeq }: ChatState): string | undefined {
  const last = messages.get(lastSeq);
  return last && messageJson(last);
}
