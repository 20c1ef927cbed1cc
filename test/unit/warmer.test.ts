import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { CacheState } from '../../src/cache/cache-state.js';
import { ModeSwitch } from '../../src/cache/lifecycle/mode-switch.js';
import { Persister } from '../../src/cache/lifecycle/persister.js';
import { Warmer } from '../../src/cache/lifecycle/warmer.js';
import type { ChatReader } from '../../src/cache/read/chat-reader.js';
import { ChatEntry } from '../../src/cache/local/chat-entry.js';
import type { HeatRecord, HeatRepository } from '../../src/storage/heat-repository.js';
import { sampleChatId, sampleLoadedChat } from './sample-records.js';

const CHATS = Array.from({ length: 1000 }, (_unused, at) => sampleChatId(at));
const MINUTE_MS = 60_000;

let state: CacheState;
let warmer: Warmer;
let persister: Persister;
/** What is done for warming and persisting; tests replace it. */
let load: (chatIds: readonly string[]) => Promise<number>;
let save: (keptMs: number | undefined) => Promise<void>;
let loaded: string[];
let saved: { readonly hottest: readonly HeatRecord[]; readonly keptMs: number | undefined }[];

beforeEach(() => {
  Logger.overrideLogger(false);
  jest.useFakeTimers();
  state = new CacheState({ mode: 'on', maxBytes: 2 ** 20, tailMessages: 100, warmDeadlineMs: 30_000, pollMs: 1000 });
  loaded = [];
  saved = [];
  load = (chatIds) => Promise.resolve(chatIds.length * 2);
  save = () => Promise.resolve();
  const heat: Pick<HeatRepository, 'loadHottest' | 'save'> = {
    loadHottest: () => Promise.resolve(CHATS),
    save: (hottest, keptMs) => {
      saved.push({ hottest, keptMs });
      return save(keptMs);
    },
  };
  const reader: Pick<ChatReader, 'warmMany'> = {
    warmMany: async (chatIds) => {
      const messages = await load(chatIds);
      loaded.push(...chatIds);
      return messages;
    },
  };
  warmer = new Warmer(heat as HeatRepository, reader as ChatReader, state);
  persister = new Persister(heat as HeatRepository, state, warmer);
});

afterEach(async () => {
  const stopping = warmer.onApplicationShutdown();
  await jest.advanceTimersByTimeAsync(MINUTE_MS);
  await stopping;
  jest.useRealTimers();
});

describe('the warmer', () => {
  it('loads every chat, in the order of heat, and counts', async () => {
    warmer.start();
    expect(warmer.isReady).toBe(false);
    await jest.advanceTimersByTimeAsync(0);
    expect(loaded).toEqual(CHATS);
    expect(warmer.status).toMatchObject({ state: 'warm', chats: 1000, totalChats: 1000, messages: 2000 });
  });

  it('tries a batch that fails again, and loses nothing', async () => {
    let failures = 3;
    load = (chatIds) =>
      failures-- > 0 ? Promise.reject(new Error('connection lost')) : Promise.resolve(chatIds.length);
    warmer.start();
    await jest.advanceTimersByTimeAsync(0);
    expect(warmer.status).toMatchObject({ state: 'warming' });
    await jest.advanceTimersByTimeAsync(20_000);
    expect(warmer.status).toMatchObject({ state: 'warm', chats: 1000 });
    expect([...loaded].sort()).toEqual(CHATS);
  });

  it('gives up when a batch fails every time, and lets readers in', async () => {
    load = (chatIds) => (chatIds.includes(CHATS[0]!) ? Promise.reject(new Error('no')) : Promise.resolve(1));
    warmer.start();
    await jest.advanceTimersByTimeAsync(20_000);
    expect(warmer.status).toMatchObject({ state: 'failed', chats: 800 });
    expect(warmer.isReady).toBe(true);
  });

  it('lets readers in at the deadline and goes on behind', async () => {
    const waiting: (() => void)[] = [];
    load = (chatIds) => new Promise((resolve) => waiting.push(() => resolve(chatIds.length)));
    warmer.start();
    await jest.advanceTimersByTimeAsync(29_000);
    expect({ state: warmer.status.state, isReady: warmer.isReady }).toEqual({ state: 'warming', isReady: false });
    await jest.advanceTimersByTimeAsync(2000);
    expect({ state: warmer.status.state, isReady: warmer.isReady }).toEqual({ state: 'behind', isReady: true });
    while (waiting.length > 0) {
      waiting.shift()!();
      await jest.advanceTimersByTimeAsync(0);
    }
    expect(warmer.status).toMatchObject({ state: 'warm', chats: 1000 });
  });

  it('loads every chat again when the cache is turned off and on while a batch is on its way', async () => {
    const modes = new ModeSwitch(state, warmer);
    const held: (() => void)[] = [];
    load = (chatIds) => new Promise((resolve) => held.push(() => resolve(chatIds.length)));
    warmer.start();
    await jest.advanceTimersByTimeAsync(0);
    held.splice(0).forEach((release) => release());
    await jest.advanceTimersByTimeAsync(0);
    expect(loaded.length).toBeGreaterThan(0);
    modes.set('off');
    modes.set('on');
    loaded = [];
    load = (chatIds) => Promise.resolve(chatIds.length);
    held.splice(0).forEach((release) => release());
    await jest.advanceTimersByTimeAsync(0);
    expect(new Set(loaded)).toEqual(new Set(CHATS));
    expect(warmer.status).toMatchObject({ state: 'warm', chats: 1000 });
    expect(warmer.isReady).toBe(true);
  });

  it('stops when its share of the budget is taken', async () => {
    let next = 0;
    load = () => {
      const chatId = sampleChatId(next++);
      const entry = new ChatEntry(chatId, sampleLoadedChat(chatId));
      entry.takeTail({ blocks: [], last: { json: 'x'.repeat(215_000), createdAtMs: 0 } });
      state.store.installChat(entry, 'cold');
      return Promise.resolve(1);
    };
    warmer.start();
    await jest.advanceTimersByTimeAsync(0);
    expect(warmer.status).toMatchObject({ state: 'warm', chats: 800, totalChats: 1000 });
    expect(state.store.chatCount).toBe(4);
  });

  it('stops between two batches when the instance goes, without waiting out a pause', async () => {
    load = () => Promise.reject(new Error('connection lost'));
    warmer.start();
    await jest.advanceTimersByTimeAsync(100);
    await warmer.onApplicationShutdown();
    expect(warmer.status.state).toBe('failed');
  });
});

describe('the persister', () => {
  beforeEach(() => {
    for (const chatId of CHATS.slice(0, 3)) {
      state.store.installChat(new ChatEntry(chatId, sampleLoadedChat(chatId)), 'cold');
    }
  });
  const hottest = CHATS.slice(0, 3).map((chatId) => ({ chatId, version: 1 }));

  it('saves the order of use every five minutes and at the end', async () => {
    warmer.start();
    persister.start();
    await jest.advanceTimersByTimeAsync(4 * MINUTE_MS);
    expect(saved).toEqual([]);
    await jest.advanceTimersByTimeAsync(MINUTE_MS);
    expect(saved).toEqual([{ hottest, keptMs: 15 * MINUTE_MS }]);
    await jest.advanceTimersByTimeAsync(10 * MINUTE_MS);
    expect(saved).toHaveLength(3);
    await persister.stop();
    expect(saved).toHaveLength(4);
    await jest.advanceTimersByTimeAsync(60 * MINUTE_MS);
    expect(saved).toHaveLength(4);
  });

  it('forgets nothing that others have saved while the cache is not warm', async () => {
    load = () => new Promise(() => undefined);
    await persister.save();
    expect(saved).toEqual([{ hottest, keptMs: undefined }]);
  });

  it('never saves twice at once, and tries again after a failure', async () => {
    let fail: ((error: Error) => void) | undefined;
    save = () =>
      new Promise((_resolve, reject) => {
        fail = reject;
      });
    persister.start();
    await jest.advanceTimersByTimeAsync(20 * MINUTE_MS);
    expect(saved).toHaveLength(1);
    fail!(new Error('connection lost'));
    save = () => Promise.resolve();
    await jest.advanceTimersByTimeAsync(5 * MINUTE_MS);
    expect(saved).toHaveLength(2);
    await persister.stop();
    expect(saved).toHaveLength(3);
  });
});
