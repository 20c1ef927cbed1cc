import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ScrollbackError } from '../../src/common/scrollback-error.js';
import { expectHeldAsInDatabase } from './cache-expectations.js';
import { quiet } from './cache-under-test.js';
import { CHAT, SEND, database, gate, load, passUntil, tested, testWith, writeElsewhere } from './gated-chat.js';
import { sampleChatId } from './sample-records.js';

const AWAY = new ScrollbackError('database_unavailable', 'The database cannot be reached.');

/** What an answer's `Cache-Status` would say. */
async function sourceOf(reading: ReturnType<typeof tested.cache.getChat>): Promise<string | undefined> {
  return (await reading)?.source;
}

/** Time goes by without a good poll. */
function loseLease(): void {
  tested.state.lease.revoke();
}

describe('a held chat when the lease has run out', () => {
  beforeEach(async () => {
    await load();
    loseLease();
  });

  it('is a hit after one look at its version, for all who ask meanwhile and afterwards', async () => {
    const readings = [tested.cache.getChat(CHAT), tested.cache.getMessages(CHAT, { limit: 3 })];
    await gate.open('findVersions reads');
    expect(gate.waiting).toEqual(['findVersions answers']);
    await gate.open('findVersions answers');
    expect((await Promise.all(readings)).map((answer) => answer!.source)).toEqual(['hit', 'hit']);
    expect(await sourceOf(tested.cache.getChat(CHAT))).toBe('hit');
    expect(gate.waiting).toEqual([]);
  });

  it('is asked about anew by who comes while the look is on its way: it may have read already', async () => {
    const first = tested.cache.getChat(CHAT);
    await gate.open('findVersions reads');
    writeElsewhere(SEND);
    const second = tested.cache.getChat(CHAT, { minVersion: 1 });
    await gate.open('findVersions answers');
    expect((await first)!.version).toBe(1);
    for (const step of ['findVersions reads', 'findVersions answers', 'loadChanges reads', 'loadChanges answers']) {
      await gate.open(step);
    }
    expect(await second).toMatchObject({ version: 2, source: 'miss' });
  });

  it('is told what it missed when the database is ahead', async () => {
    writeElsewhere(SEND);
    const reading = tested.cache.getChat(CHAT);
    for (const step of ['findVersions reads', 'findVersions answers', 'loadChanges reads', 'loadChanges answers']) {
      await gate.open(step);
    }
    expect(await reading).toMatchObject({ version: 2, source: 'miss' });
    expect(tested.coherence.repairs).toMatchObject({ lease: 1 });
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is told as stale to a service when the database is away, and to users not at all', async () => {
    const stale = tested.cache.getChat(CHAT);
    const refused = tested.cache.getChat(CHAT, { viewer: 'alice' }).catch((error: unknown) => error);
    await gate.fail('findVersions reads', AWAY);
    expect(await stale).toMatchObject({ version: 1, source: 'stale' });
    expect(await refused).toMatchObject({ code: 'freshness_unknown' });
    expect(tested.stats.requests('chat')).toMatchObject({ stale: 1 });
  });

  it('is told as stale, and asked about again later, when the look fails in a way that nobody expects', async () => {
    const first = tested.cache.getChat(CHAT);
    await gate.fail('findVersions reads', new Error('no such thing'));
    expect(await first).toMatchObject({ source: 'stale' });
    const restedMs = performance.now() + 600;
    jest.spyOn(performance, 'now').mockReturnValue(restedMs);
    try {
      const second = tested.cache.getChat(CHAT);
      await gate.open('findVersions reads');
      await gate.open('findVersions answers');
      expect(await second).toMatchObject({ source: 'hit' });
    } finally {
      jest.restoreAllMocks();
    }
  });

  it('is told as stale at once while the database rests after a failure', async () => {
    const first = tested.cache.getChat(CHAT);
    await gate.fail('findVersions reads', AWAY);
    await first;
    expect(await sourceOf(tested.cache.getChat(CHAT))).toBe('stale');
    expect(gate.waiting).toEqual([]);
  });

  it('is a hit again after a poll', async () => {
    const polling = tested.poller.pollOnce();
    await gate.open('poll reads');
    await gate.open('poll answers');
    await polling;
    await load();
    expect(await sourceOf(tested.cache.getChat(CHAT))).toBe('hit');
  });

  it('that does not exist is asked about as well', async () => {
    const other = sampleChatId(2);
    const absent = tested.cache.getChat(other);
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect(await absent).toBeUndefined();
    loseLease();
    database.commit(other, { type: 'create', userIds: ['alice'] });
    const reading = tested.cache.getChat(other);
    for (const step of ['findVersions reads', 'findVersions answers', 'loadChats reads', 'loadChats answers']) {
      await gate.open(step);
    }
    expect(await reading).toMatchObject({ version: 1 });
  });
});

describe('an inbox when the lease has run out', () => {
  beforeEach(async () => {
    const reading = tested.cache.getUserChats('bob');
    for (const step of ['loadUserChats', 'loadChats', 'countUnread']) {
      await gate.open(`${step} reads`);
      await gate.open(`${step} answers`);
    }
    await reading;
    loseLease();
  });

  it('asks which chats the user is in, and for their versions', async () => {
    const reading = tested.cache.getUserChats('bob');
    for (const step of ['findVersions', 'loadUserChats']) {
      await gate.open(`${step} reads`);
      await gate.open(`${step} answers`);
    }
    expect((await reading).value.items).toHaveLength(1);
    expect(gate.waiting).toEqual([]);
  });

  it('is told as stale to a service when the database is away, and to users not at all', async () => {
    const stale = tested.cache.getUserChats('bob');
    const refused = tested.cache.getUserChats('bob', {}, { viewer: 'bob' }).catch((error: unknown) => error);
    await gate.fail('findVersions reads', AWAY);
    expect((await stale).source).toBe('stale');
    expect((await stale).value.items).toHaveLength(1);
    expect(await refused).toMatchObject({ code: 'freshness_unknown' });
  });

  it('is told to nobody, with the database away, when it is known that a chat of it has changed', async () => {
    const other = sampleChatId(2);
    tested.announce(other, database.commit(other, { type: 'create', userIds: ['bob'] })!);
    const reading = tested.cache.getUserChats('bob');
    for (const step of ['findVersions', 'loadUserChats', 'loadChats']) {
      await gate.open(`${step} reads`);
      await gate.open(`${step} answers`);
    }
    expect((await reading).value.items).toHaveLength(2);
    loseLease();
    writeElsewhere(SEND);
    tested.announce(CHAT, database.commit(CHAT, SEND)!);
    const refused = tested.cache.getUserChats('bob').catch((error: unknown) => error);
    await gate.fail('findVersions reads', AWAY);
    await gate.fail('loadChanges reads', AWAY);
    expect(await refused).toBe(AWAY);
  });
});

describe('with STALE_READS=refuse', () => {
  it('nobody is told what may be old', async () => {
    testWith({ staleReads: 'refuse' });
    await load();
    loseLease();
    const refused = tested.cache.getChat(CHAT).catch((error: unknown) => error);
    await gate.fail('findVersions reads', AWAY);
    expect(await refused).toMatchObject({ code: 'freshness_unknown' });
  });
});

describe('what is on its way when the lease has run out', () => {
  let nowMs: number;

  beforeEach(() => {
    nowMs = 0;
    testWith({ clock: () => ({ monotonicMs: nowMs, wallMs: nowMs }), stalenessBoundMs: 5000 });
  });

  it('is not what a reader gets who comes when the bound has gone by since it was read', async () => {
    const first = tested.cache.getChat(CHAT);
    await gate.open('loadChats reads');
    writeElsewhere(SEND);
    nowMs += 5001;
    const late = [tested.cache.getChat(CHAT), tested.chats.loadMany([CHAT], 0), tested.cache.getChat(CHAT)] as const;
    await gate.open('loadChats answers');
    expect((await first)!.version).toBe(1);
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await late[0])!.version).toBe(2);
    expect((await late[1])[0]!.version).toBe(2);
    expect((await late[2])!.version).toBe(2);
    expect(gate.waiting).toEqual([]);
  });

  it('is what a reader gets who comes before', async () => {
    const readings = [tested.cache.getChat(CHAT)];
    await gate.open('loadChats reads');
    nowMs += 5000;
    readings.push(tested.cache.getChat(CHAT));
    await gate.open('loadChats answers');
    expect((await Promise.all(readings)).map((answer) => answer!.version)).toEqual([1, 1]);
    expect(gate.waiting).toEqual([]);
  });

  it('is not the inbox that a reader gets who comes when the bound has gone by', async () => {
    const first = tested.cache.getUserChats('carol');
    await gate.open('loadUserChats reads');
    writeElsewhere({ type: 'join', userId: 'carol' });
    nowMs += 5001;
    const late = tested.cache.getUserChats('carol');
    await gate.open('loadUserChats answers');
    expect((await first).value.items).toEqual([]);
    await passUntil(late);
    expect((await late).value.items).toHaveLength(1);
  });
});

describe('the lease', () => {
  it('counts from the start of a poll, however long its answer takes', async () => {
    let nowMs = 0;
    testWith({ clock: () => ({ monotonicMs: nowMs, wallMs: nowMs }) });
    const polling = tested.poller.pollOnce();
    await gate.open('poll reads');
    nowMs += 400;
    await gate.open('poll answers');
    await polling;
    expect(tested.state.lease.lastConfirmedMs).toBe(400);
  });
});

describe('a database that has been restored', () => {
  beforeEach(async () => {
    await poll();
    writeElsewhere(SEND, SEND);
    await load();
    expect(tested.state.store.getChat(CHAT)!.version).toBe(3);
  });

  async function poll(): Promise<void> {
    const polling = tested.poller.pollOnce();
    await gate.open('poll reads');
    await gate.open('poll answers');
    await polling;
  }

  it('empties the cache at the next poll, though its versions are lower', async () => {
    database.restore(CHAT, 1);
    await poll();
    expect(tested.state.store.getChat(CHAT)).toBeUndefined();
    await load();
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('makes a fill that began before it read again', async () => {
    tested.applier.onOutcomeUnknown(CHAT);
    const reading = tested.chats.read(CHAT);
    await gate.open('loadChats reads');
    database.restore(CHAT, 1);
    await poll();
    await gate.open('loadChats answers');
    await gate.open('loadChats reads');
    await gate.open('loadChats answers');
    expect((await reading).entry.version).toBe(1);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is noticed by who asks for versions in doubt', async () => {
    loseLease();
    database.restore(CHAT, 2);
    const reading = tested.cache.getChat(CHAT);
    for (const step of ['findVersions reads', 'findVersions answers', 'loadChats reads', 'loadChats answers']) {
      await gate.open(step);
    }
    expect((await reading)!.version).toBe(2);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('hides no change from the next poll when somebody in doubt has noticed it before: ids of transactions begin anew', async () => {
    loseLease();
    database.restore(CHAT, 2);
    const reading = tested.cache.getChat(CHAT);
    for (const step of ['findVersions reads', 'findVersions answers', 'loadChats reads', 'loadChats answers']) {
      await gate.open(step);
    }
    await reading;
    writeElsewhere(SEND);
    await poll();
    await load();
    expect(tested.state.store.getChat(CHAT)!.version).toBe(3);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is noticed again by a poll that has found what it was before, and ends after that was noticed by somebody in doubt', async () => {
    const polling = tested.poller.pollOnce();
    await gate.open('poll reads');
    loseLease();
    database.restore(CHAT, 2);
    const reading = tested.cache.getChat(CHAT);
    await gate.open('findVersions reads');
    await gate.open('findVersions answers');
    await gate.open('poll answers');
    await polling;
    await passUntil(reading);
    writeElsewhere(SEND);
    await poll();
    await load();
    expect(tested.state.epoch).toBe(database.epoch);
    expect(tested.state.store.getChat(CHAT)!.version).toBe(3);
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('is not waited for by who has heard of a version that it has lost', async () => {
    database.restore(CHAT, 2);
    await poll();
    await load();
    // A commit from before the restore is announced late.
    tested.state.noteVersion(CHAT, 4, 'bus');
    const reading = tested.chats.read(CHAT);
    let isSettled = false;
    void reading.then(() => {
      isSettled = true;
    });
    while (!isSettled) {
      for (const step of gate.waiting) await gate.open(step);
      await quiet();
    }
    expect((await reading).entry).toMatchObject({ version: 2, isBehind: false });
    expectHeldAsInDatabase(tested, database, CHAT);
  });

  it('drops changes that waited for those before them', async () => {
    const lost = database.commit(CHAT, SEND)!;
    const later = database.commit(CHAT, SEND)!;
    tested.announce(CHAT, later);
    expect(tested.state.early.size).toBe(1);
    database.restore(CHAT, 3);
    await poll();
    await load();
    expect(tested.state.early.size).toBe(0);
    expect(lost.version).toBe(4);
    expectHeldAsInDatabase(tested, database, CHAT);
  });
});
