import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { LinkedBus } from '../../src/cache/coherence/bus/linked-bus.js';
import { uuidV7 } from '../../src/common/uuid.js';
import { asCommitted, type Change, type ChatChanges, type Committed } from '../../src/storage/write/change.js';
import { BusEar, until } from '../support/bus-ear.js';
import { sampleMessage } from '../unit/sample-records.js';

/** What the contract needs of a server and its bus. */
export interface BusHarness {
  /** A bus on the server; with another scope, one of another database. Not started. */
  bus(scope?: string): LinkedBus;
  /** A bus whose way to the server can be frozen. */
  frozenBus(): LinkedBus;
  /** Whether freezing one freezes all. */
  readonly freezesAll?: boolean;
  /** Lets nothing through on the way of {@link frozenBus}, without closing it. */
  freeze(): void;
  thaw(): void;
  /** Ends the server. */
  kill(): Promise<void>;
  /** Starts it again, where it was. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

interface Joined {
  readonly bus: LinkedBus;
  readonly ear: BusEar;
}

const RUN = '7000000000000000001.00000001.16384';

/** Changes of a chat that raise it from `from - 1`, one for each text. */
function changesOf(chatId: string, from: number, ...texts: string[]): Committed<ChatChanges> {
  const changes = texts.map((text, at): Change => {
    const message = sampleMessage({ seq: from + at, version: from + at, text });
    return { type: 'message', version: from + at, cause: 'sent', message, wasCountable: false };
  });
  return asCommitted({ chatId, changes });
}

/** What every bus does, whatever it goes by. */
export function describeCoherenceBus(name: string, start: () => Promise<BusHarness>): void {
  describe(name, () => {
    let harness: BusHarness;
    const running: LinkedBus[] = [];

    async function join(ear = new BusEar(), bus = harness.bus()): Promise<Joined> {
      running.push(bus);
      await bus.start(ear);
      return { bus, ear };
    }

    /** Two that have heard of each other. */
    async function joinTwo(): Promise<[Joined, Joined]> {
      const [ann, bob] = [await join(), await join()];
      await until('they have heard of each other', () => ann.bus.hasPeers && bob.bus.hasPeers);
      return [ann, bob];
    }

    beforeAll(async () => {
      Logger.overrideLogger(false);
      harness = await start();
    });
    afterEach(async () => {
      harness.thaw();
      await Promise.all(running.splice(0).map((bus) => bus.stop()));
    });
    afterAll(() => harness?.stop());

    it('is healthy once it has started, and tells its listener that it has not heard everything', async () => {
      const startedMs = performance.now();
      const { bus, ear } = await join();
      // A machine that stalls for longer than a heartbeat counts has it go on without.
      expect(bus.isHealthy || performance.now() - startedMs > 1500).toBe(true);
      await until('it is healthy', () => bus.isHealthy);
      expect(ear.gaps).toBeGreaterThanOrEqual(1);
    });

    it('tells peers of changes in full, and nobody of their own', async () => {
      const [ann, bob] = [await join(), await join()];
      const changes = changesOf(uuidV7(), 3, 'one', 'két \u{10ffff} \ud800 \u2028 "\\ \u0001', 'three');
      const beforeMs = Date.now();
      ann.bus.publish(RUN, changes);
      await until('bob hears', () => bob.ear.heard.length > 0);
      expect(bob.ear.heard).toEqual([
        { chatId: changes.chatId, run: RUN, version: 5, changes, publishedAtMs: expect.any(Number) },
      ]);
      expect(bob.ear.heard[0]!.publishedAtMs).toBeGreaterThanOrEqual(beforeMs);
      bob.bus.publish(RUN, changesOf(changes.chatId, 6, 'answer'));
      await until('ann hears the answer', () => ann.ear.heard.length > 0);
      expect(ann.ear.heard.map(({ version }) => version)).toEqual([6]);
      expect(bob.ear.heard).toHaveLength(1);
      expect([ann.bus.published, ann.bus.heard, ann.bus.dropped, ann.bus.versionOnly]).toEqual([1, 1, 0, 0]);
    });

    it('sends nothing but heartbeats while nobody is there to hear it, and tells who comes what they may have missed', async () => {
      const ann = await join();
      const changes = changesOf(uuidV7(), 1, 'said to nobody');
      ann.bus.publish(RUN, changes);
      expect([ann.bus.hasPeers, ann.bus.waitingBytes]).toEqual([false, 0]);
      for (let version = 2; ; version++) {
        const bob = await join();
        const later = changesOf(changes.chatId, version, 'said as somebody comes');
        ann.bus.publish(RUN, later);
        await until('bob hears', () => bob.ear.heard.some((heard) => heard.version === version));
        expect(bob.ear.heard.at(-1)).toMatchObject({ version, changes: later });
        if (version === 4) break;
        await bob.bus.stop();
      }
    });

    it('tells of large changes by the version, and of those beside them in full', async () => {
      const [ann, bob] = [await join(), await join()];
      const [large, small] = [changesOf(uuidV7(), 2, 'ő'.repeat(1_000_000)), changesOf(uuidV7(), 2, 'small')];
      ann.bus.publish(RUN, large);
      ann.bus.publish(RUN, small);
      await until('bob hears of both', () => bob.ear.heard.length === 2);
      expect(bob.ear.of(large.chatId)[0]).toEqual({
        chatId: large.chatId,
        run: RUN,
        version: 2,
        publishedAtMs: expect.any(Number),
      });
      expect(bob.ear.of(small.chatId)[0]?.changes).toEqual(small);
      expect(ann.bus.versionOnly).toBe(1);
    });

    it('tells of many chats at once, of each in order', async () => {
      const [ann, bob] = await joinTwo();
      const chatIds = Array.from({ length: 300 }, () => uuidV7());
      for (let version = 1; version <= 5; version++) {
        for (const chatId of chatIds) ann.bus.publish(RUN, changesOf(chatId, version, `text ${version}`));
      }
      await until('bob hears everything', () => bob.ear.heard.length === 1500);
      for (const chatId of chatIds) {
        expect(bob.ear.of(chatId).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
        expect(bob.ear.of(chatId).every(({ changes }) => changes !== undefined)).toBe(true);
      }
    });

    it('tells the version alone to who does not want the changes, and asks with what they concern', async () => {
      const asked: [string, boolean][] = [];
      const ann = await join();
      const bob = await join(
        new BusEar((chatId, concernsMembers) => {
          asked.push([chatId, concernsMembers]);
          return concernsMembers;
        }),
      );
      const sent = changesOf(uuidV7(), 2, 'unwanted');
      const made = asCommitted<ChatChanges>({
        chatId: uuidV7(),
        changes: [{ type: 'created', version: 1, userIds: ['ann', 'bob'] }],
      });
      ann.bus.publish(RUN, sent);
      ann.bus.publish(RUN, made);
      await until('bob hears of both', () => bob.ear.heard.length === 2);
      expect(new Map(asked)).toEqual(
        new Map([
          [sent.chatId, false],
          [made.chatId, true],
        ]),
      );
      expect(bob.ear.of(sent.chatId)).toEqual([
        { chatId: sent.chatId, run: RUN, version: 2, skippedFrom: 2, publishedAtMs: expect.any(Number) },
      ]);
      expect(bob.ear.of(made.chatId)[0]?.changes).toEqual(made);
    });

    it('keeps the runs that changes are of apart', async () => {
      const [ann, bob] = [await join(), await join()];
      const chatId = uuidV7();
      ann.bus.publish('before', changesOf(chatId, 9, 'old'));
      ann.bus.publish('after', changesOf(chatId, 1, 'new'));
      await until('bob hears both', () => bob.ear.heard.length === 2);
      expect(bob.ear.heard.map(({ run, version }) => [run, version])).toEqual([
        ['before', 9],
        ['after', 1],
      ]);
    });

    it('does not let those of another database hear', async () => {
      const [ann, bob] = [await join(), await join()];
      const stranger = await join(new BusEar(), harness.bus('another'));
      const far = await join(new BusEar(), harness.bus('another'));
      ann.bus.publish(RUN, changesOf(uuidV7(), 1, 'ours'));
      stranger.bus.publish(RUN, changesOf(uuidV7(), 1, 'theirs'));
      await until('each hears its own', () => bob.ear.heard.length > 0 && far.ear.heard.length > 0);
      expect([ann, bob, stranger, far].map(({ ear }) => ear.heard.length)).toEqual([0, 1, 0, 1]);
    });

    it('sends what waits before it stops, and nothing after', async () => {
      const [ann, bob] = await joinTwo();
      const chatIds = Array.from({ length: 100 }, () => uuidV7());
      for (const chatId of chatIds) ann.bus.publish(RUN, changesOf(chatId, 1, 'x'.repeat(3000)));
      await ann.bus.stop();
      ann.bus.publish(RUN, changesOf(uuidV7(), 1, 'too late'));
      await until('bob hears everything', () => bob.ear.heard.length === 100);
      expect(bob.ear.heard.map(({ chatId }) => chatId).toSorted()).toEqual(chatIds.toSorted());
      expect(ann.bus.isHealthy).toBe(false);
      expect(ann.bus.published).toBe(100);
    });

    it('notices that nothing comes through any more although nothing was closed, and connects anew', async () => {
      const [ann, bob] = [await join(new BusEar(), harness.frozenBus()), await join()];
      harness.freeze();
      await until('ann finds out', () => !ann.bus.isHealthy && (harness.freezesAll === true || bob.bus.isHealthy));
      harness.thaw();
      await until('ann is back', () => ann.bus.isHealthy && bob.bus.isHealthy);
      // What freezes by itself has kept everything, and may be back before the link is given up.
      if (harness.freezesAll !== true) expect(ann.ear.gaps).toBeGreaterThan(1);
      const changes = changesOf(uuidV7(), 1, 'after it');
      bob.bus.publish(RUN, changes);
      await until('ann hears again', () => ann.ear.of(changes.chatId).length === 1);
    });

    it('lives through the server’s end: publishing goes on in bounded memory, and all is well when it is back', async () => {
      const [ann, bob] = [await join(), await join()];
      const held = changesOf(uuidV7(), 1, 'x'.repeat(3000));
      await harness.kill();
      await until('both find out', () => !ann.bus.isHealthy && !bob.bus.isHealthy);
      for (let version = 1; version <= 20_000; version++) ann.bus.publish(RUN, { ...held, chatId: uuidV7() });
      ann.bus.publish(RUN, changesOf(held.chatId, 7, 'no room'));
      expect(ann.bus.waitingBytes).toBe(0);
      expect(ann.bus.versionOnly).toBe(10_000);
      expect(ann.bus.dropped).toBe(10_001);
      // Who starts while the server is away waits for a while, is not healthy, and joins in later.
      const late = await join();
      expect(late.bus.isHealthy).toBe(false);
      await harness.restart();
      await until('all are back', () => [ann, bob, late].every(({ bus }) => bus.isHealthy));
      for (const [least, { ear }] of [[2, ann] as const, [2, bob] as const, [1, late] as const]) {
        expect(ear.gaps).toBeGreaterThanOrEqual(least);
      }
      const changes = changesOf(uuidV7(), 1, 'after it');
      bob.bus.publish(RUN, changes);
      for (const { ear } of [ann, late]) await until('they hear', () => ear.of(changes.chatId).length === 1);
      expect(ann.ear.of(changes.chatId)[0]?.changes).toEqual(changes);
    });
  });
}
