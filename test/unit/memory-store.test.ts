import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChatEntry } from '../../src/cache/local/chat-entry.js';
import { EVICTION_POLICIES } from '../../src/cache/local/eviction/eviction-policy.js';
import { LruPolicy } from '../../src/cache/local/eviction/lru.js';
import { makePolicy } from '../../src/cache/local/eviction/policies.js';
import { MemoryStore } from '../../src/cache/local/memory-store.js';
import { BLOCK_SIZE, MessageBlock } from '../../src/cache/local/message-block.js';
import type { Resident } from '../../src/cache/local/resident.js';
import { UserEntry } from '../../src/cache/local/user-entry.js';
import type { Change } from '../../src/storage/write/change.js';
import {
  SAMPLE_MS,
  sampleChat,
  sampleChatId,
  sampleLoadedChat,
  sampleMessage,
  sampleParticipant,
} from './sample-records.js';

const CHATS = Array.from({ length: 6 }, (_unused, number) => sampleChatId(number));
const USERS = ['alice', 'bob', 'carol', 'dave'];

type Step =
  | { type: 'install'; chat: number; lastSeq: number; tail: number; users: number; place: 'new' | 'cold' }
  | { type: 'block'; chat: number; index: number }
  | { type: 'user'; user: number; chats: number }
  | {
      type: 'change';
      chat: number;
      kind: 'send' | 'edit' | 'join' | 'leave' | 'title' | 'remove';
      length: number;
      at: number;
    }
  | { type: 'touch'; chat: number; from: number; to: number }
  | { type: 'removeChat' | 'touchUser' | 'addUserChat' | 'deleteUserChat'; chat: number; user: number }
  | { type: 'clear' };

const chat = fc.nat(CHATS.length - 1);
const user = fc.nat(USERS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('install' as const),
      chat,
      lastSeq: fc.nat(200),
      tail: fc.nat(200),
      users: fc.nat(USERS.length),
      place: fc.constantFrom('new' as const, 'cold' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('block' as const), chat, index: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('user' as const), user, chats: fc.nat(CHATS.length) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('change' as const),
      chat,
      kind: fc.constantFrom('send', 'send', 'send', 'edit', 'join', 'leave', 'title', 'remove'),
      length: fc.nat(3000),
      at: fc.nat(200),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('touch' as const), chat, from: fc.nat(3), to: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'removeChat' as const,
        'touchUser' as const,
        'addUserChat' as const,
        'deleteUserChat' as const,
      ),
      chat,
      user,
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'clear' as const }) },
);

function changeOf(entry: ChatEntry, { kind, length, at }: Extract<Step, { type: 'change' }>): Change {
  const version = entry.version + 1;
  const userId = USERS[at % USERS.length]!;
  const text = 'x'.repeat(length);
  switch (kind) {
    case 'send': {
      const message = sampleMessage({ seq: entry.lastSeq + 1, version, text });
      return { type: 'message', version, cause: 'sent', message, wasCountable: false };
    }
    case 'edit': {
      const message = sampleMessage({ seq: (at % Math.max(1, entry.lastSeq)) + 1, version, text });
      return { type: 'message', version, cause: 'edited', message, wasCountable: true };
    }
    case 'join':
      return { type: 'participant', version, cause: 'joined', participant: sampleParticipant({ userId, version }) };
    case 'leave': {
      const participant = sampleParticipant({ userId, version, leftAtMs: SAMPLE_MS });
      return { type: 'participant', version, cause: 'left', participant };
    }
    case 'title':
      return { type: 'chat', version, chat: { ...sampleChat(entry.chatId), title: text } };
    case 'remove':
      return { type: 'removed', version };
  }
}

function run(store: MemoryStore, command: Step): void {
  if (command.type === 'clear') return store.clear();
  if (command.type === 'user') {
    return store.installUser(new UserEntry(USERS[command.user]!, CHATS.slice(0, command.chats)));
  }
  const chatId = CHATS[command.chat]!;
  if (command.type === 'install') {
    const { lastSeq, tail, users, place } = command;
    const loaded = sampleLoadedChat(chatId, { lastSeq, tail: Math.min(lastSeq, tail), userIds: USERS.slice(0, users) });
    const entry = new ChatEntry(chatId, loaded);
    for (const block of entry.cutBlocks(loaded.messages)) entry.blocks.set(block.index, block);
    return store.installChat(entry, place);
  }
  if (command.type === 'addUserChat') return store.addUserChat(USERS[command.user]!, chatId);
  if (command.type === 'deleteUserChat') return store.deleteUserChat(USERS[command.user]!, chatId);
  if (command.type === 'touchUser') {
    const held = store.getUser(USERS[command.user]!);
    return held === undefined ? undefined : store.touchUser(held);
  }
  const entry = store.getChat(chatId);
  if (entry === undefined) return;
  if (command.type === 'removeChat') return store.removeChat(entry, 'invalidated');
  if (command.type === 'touch') return store.touch(entry, command.from, command.to);
  if (command.type === 'block') {
    const first = command.index * BLOCK_SIZE + 1;
    const length = Math.min(BLOCK_SIZE, entry.lastSeq - first + 1);
    if (length < 1) return;
    const messages = Array.from({ length }, (_unused, at) => sampleMessage({ seq: first + at }));
    return store.installBlock(entry, MessageBlock.of(command.index, messages, entry.lastSeq));
  }
  if (command.type !== 'change') return;
  // As the applier does it.
  const change = changeOf(entry, command);
  if (change.type === 'message') store.dropPacked(entry, change.message.seq);
  if (entry.apply(change)) store.recharge(entry, change.type === 'message' ? [change.message.seq] : []);
  else store.removeChat(entry, 'invalidated');
}

/** Everything that the maps of the store lead to. */
function reachable(store: MemoryStore): Set<Resident> {
  const found = new Set<Resident>();
  for (const chatId of CHATS) {
    const entry = store.getChat(chatId);
    if (entry === undefined) continue;
    found.add(entry);
    for (const block of entry.blocks.values()) found.add(block);
  }
  for (const userId of store.userIds) found.add(store.getUser(userId)!);
  return found;
}

function seqsOf({ firstSeq, endSeq }: MessageBlock): number[] {
  return Array.from({ length: endSeq - firstSeq + 1 }, (_unused, at) => firstSeq + at);
}

function checkInvariants(store: MemoryStore): void {
  const residents = [...reachable(store)];
  expect(residents.every((each) => each.chargedBytes === each.bytes && each.bytes > 0)).toBe(true);
  expect(store.bytes).toBe(residents.reduce((sum, each) => sum + each.bytes, 0));
  expect(store.bytes).toBeLessThanOrEqual(store.maxBytes);
  const entries = residents.filter((each) => each instanceof ChatEntry);
  expect(store.chatCount).toBe(entries.length);
  expect(new Set(store.hottestChats())).toEqual(new Set(entries));
  const blocks = residents.filter((each) => each instanceof MessageBlock);
  expect(store.blockCount).toBe(blocks.length);
  expect(store.packedBlockCount).toBe(blocks.filter((block) => block.isPacked).length);
  for (const block of blocks) {
    const messages = JSON.parse(`[${block.slice(block.firstSeq, block.endSeq).toString()}]`) as { seq: number }[];
    const seqs = new Set(messages.map(({ seq }) => seq));
    // A tail may begin inside a block.
    expect([...seqs]).toEqual(seqsOf(block).filter((seq) => seqs.has(seq)));
    expect(seqs.has(block.endSeq)).toBe(true);
  }
}

describe('the memory store', () => {
  it.each(EVICTION_POLICIES)(
    'holds what its maps hold, charged in full and within the budget, after every operation: %s',
    (name) => {
      const budget = fc.constantFrom(0, 3000, 20_000, 60_000, 10_000_000);
      fc.assert(
        fc.property(budget, fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (maxBytes, steps) => {
          const store = new MemoryStore(maxBytes, (capacityBytes) => makePolicy(name, capacityBytes));
          const known: ChatEntry[] = [];
          for (const [at, command] of steps.entries()) {
            run(store, command);
            checkInvariants(store);
            known.push(...store.hottestChats());
            // A reader may bring a block to an entry that has gone meanwhile.
            const entry = known[at % Math.max(1, known.length)];
            if (entry === undefined || command.type !== 'touch') continue;
            store.installBlock(entry, MessageBlock.of(0, [sampleMessage({ seq: 1 })], 1));
            checkInvariants(store);
          }
          store.clear();
          expect([store.bytes, store.blockCount, store.chatCount]).toEqual([0, 0, 0]);
        }),
      );
    },
  );

  it('keeps to the budget when a user whose index is held comes into one chat after another', () => {
    const store = new MemoryStore(2000, (capacityBytes) => new LruPolicy(capacityBytes));
    store.installUser(new UserEntry('alice', []));
    for (let number = 0; number < 100; number++) {
      store.addUserChat('alice', sampleChatId(number));
      expect(store.bytes).toBeLessThanOrEqual(store.maxBytes);
    }
  });

  it('lets blocks go before chats, those used longest ago first', () => {
    const store = new MemoryStore(1_000_000, (capacityBytes) => new LruPolicy(capacityBytes));
    for (const chatId of CHATS)
      run(store, { type: 'install', chat: CHATS.indexOf(chatId), lastSeq: 100, tail: 100, users: 1, place: 'new' });
    store.touch(store.getChat(CHATS[0]!)!, 0, 1);
    const entries = [...store.hottestChats()].toReversed();
    expect(entries.at(-1)?.chatId).toBe(CHATS[0]);
    const entryBytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const rest = new MemoryStore(entryBytes / 0.29, (capacityBytes) => new LruPolicy(capacityBytes));
    for (const entry of entries) {
      store.removeChat(entry, 'replaced');
      rest.installChat(entry);
      checkInvariants(rest);
    }
    expect(rest.chatCount).toBe(CHATS.length);
    expect(rest.getChat(CHATS[0]!)!.blocks.size).toBe(2);
    expect([...rest.getChat(CHATS[0]!)!.blocks.values()].some((block) => block.isPacked)).toBe(false);
    expect([...rest.getChat(CHATS[1]!)!.blocks.values()].every((block) => block.isPacked)).toBe(true);
    expect(rest.packedBlockCount + rest.removals.budget).toBeGreaterThan(0);
  });

  it('takes the blocks of an entry along when entries take more than their share', () => {
    const store = new MemoryStore(20_000, (capacityBytes) => new LruPolicy(capacityBytes));
    for (let number = 0; number < 100; number++) {
      const chatId = sampleChatId(number);
      const loaded = sampleLoadedChat(chatId, { lastSeq: 3, tail: 3, userIds: USERS });
      const entry = new ChatEntry(chatId, loaded);
      for (const block of entry.cutBlocks(loaded.messages)) entry.blocks.set(block.index, block);
      store.installChat(entry);
      expect(store.bytes).toBeLessThanOrEqual(store.maxBytes);
    }
    expect(store.chatCount).toBeGreaterThan(1);
    expect(store.chatCount).toBeLessThan(20);
    expect(store.blockCount).toBeLessThanOrEqual(store.chatCount);
    expect(store.getChat(sampleChatId(99))).toBeDefined();
  });

  it('packs blocks before it lets them go, and unpacks one that is read again and again', () => {
    const install = (number: number): ChatEntry => {
      run(store, { type: 'install', chat: number, lastSeq: BLOCK_SIZE, tail: BLOCK_SIZE, users: 1, place: 'new' });
      return store.getChat(CHATS[number]!)!;
    };
    const store = new MemoryStore(45_000, (capacityBytes) => new LruPolicy(capacityBytes));
    const first = install(0);
    const plain = first.blocks.get(0)!.slice(1, 64).toString();
    for (let number = 1; store.packedBlockCount === 0; number++) install(number);
    const block = first.blocks.get(0)!;
    expect(block.isPacked).toBe(true);
    expect(block.slice(1, 64).toString()).toBe(plain);
    store.touch(first, 0, 0);
    expect(block.isPacked).toBe(true);
    for (let read = 0; read < 3; read++) store.touch(first, 0, 0);
    expect(block.isPacked).toBe(false);
    expect(block.slice(1, 64).toString()).toBe(plain);
    expect(first.blocks.get(0)).toBe(block);
    expect(store.packedBlockCount).toBeGreaterThan(0);
    checkInvariants(store);
  });

  it('drops a packed block that is written to', () => {
    const store = new MemoryStore(30_000, (capacityBytes) => new LruPolicy(capacityBytes));
    for (let number = 0; store.packedBlockCount === 0; number++) {
      run(store, { type: 'install', chat: number, lastSeq: 60, tail: 60, users: 1, place: 'new' });
    }
    const written = [...store.hottestChats()].find((entry) => entry.blocks.get(0)?.isPacked)!;
    const chatNumber = CHATS.indexOf(written.chatId);
    run(store, { type: 'change', chat: chatNumber, kind: 'edit', length: 5, at: 3 });
    expect(written.blocks.size).toBe(0);
    checkInvariants(store);
  });

  it('charges a block for what is appended to it', () => {
    const store = new MemoryStore(1_000_000, (capacityBytes) => new LruPolicy(capacityBytes));
    run(store, { type: 'install', chat: 0, lastSeq: 3, tail: 3, users: 1, place: 'new' });
    const before = store.bytes;
    run(store, { type: 'change', chat: 0, kind: 'send', length: 3000, at: 0 });
    checkInvariants(store);
    expect(store.bytes).toBeGreaterThan(before + 3000);
  });

  it('keeps a chat where it is in the order of eviction when it is written to, also when a block begins', () => {
    const store = new MemoryStore(1_000_000, (capacityBytes) => new LruPolicy(capacityBytes));
    run(store, { type: 'install', chat: 0, lastSeq: BLOCK_SIZE, tail: BLOCK_SIZE, users: 1, place: 'new' });
    run(store, { type: 'install', chat: 1, lastSeq: 1, tail: 1, users: 1, place: 'new' });
    for (let sent = 0; sent < 2; sent++) {
      run(store, { type: 'change', chat: 0, kind: 'send', length: 10, at: 0 });
      checkInvariants(store);
      expect([...store.hottestChats()].map(({ chatId }) => chatId)).toEqual([CHATS[1], CHATS[0]]);
    }
    expect(store.getChat(CHATS[0]!)!.blocks.get(1)).toBeDefined();
  });
});
