import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { CacheModule, ChatRepository, MessageCache, MessageRepository, StorageModule } from '../../src/index.js';
import { COHERENCE_BUS } from '../../src/cache/coherence/bus/coherence-bus.js';
import { PostgresBus } from '../../src/cache/coherence/bus/postgres-bus.js';
import { Poller } from '../../src/cache/coherence/poller.js';
import { Verifier } from '../../src/cache/coherence/verify/verifier.js';
import { DatabaseServer } from '../../src/storage/database-server.js';
import { NotificationChannel } from '../../src/storage/notification-channel.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { propertySeed } from '../support/property-seed.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { UnreliableBus } from '../support/unreliable-bus.js';

const CHATS = 6;
const STEPS = 400;
const USERS = ['ann', 'bob', 'cat'];

/** An application that has imported the modules, and hears of the others by an unreliable bus. */
interface Application {
  readonly module: TestingModule;
  readonly cache: MessageCache;
  readonly chats: ChatRepository;
  readonly messages: MessageRepository;
  readonly bus: UnreliableBus;
}

describe('three applications over one database, whose bus loses, delays, repeats and reorders', () => {
  let database: TestDatabase;
  const applications: Application[] = [];
  const random = new SeededRandom(propertySeed());

  beforeAll(async () => {
    database = await createTestDatabase();
    for (let at = 0; at < 3; at++) applications.push(await start(propertySeed() + at));
  });
  afterAll(async () => {
    for (const { module } of applications) await module.close();
    await database.drop();
  });

  async function start(seed: number): Promise<Application> {
    const storage = StorageModule.forRoot({ databaseUrl: database.url, dataDir: '', writeQueueMax: 1000 });
    // Looks so rarely that only the bus tells until the end.
    const cache = CacheModule.forRoot({
      imports: [storage],
      mode: 'on',
      maxBytes: 2 ** 20,
      tailMessages: 10,
      warmDeadlineMs: 10_000,
      pollMs: 3_600_000,
      stalenessBoundMs: 3_600_000,
    });
    const module = await Test.createTestingModule({ imports: [storage, cache] })
      .overrideProvider(COHERENCE_BUS)
      .useFactory({
        inject: [DatabaseServer],
        factory: (server: DatabaseServer) =>
          new UnreliableBus(
            new PostgresBus(new NotificationChannel(server.address)),
            { lose: 0.3, repeat: 0.3, delay: 0.3, maxDelayMs: 50 },
            seed,
          ),
      })
      .compile();
    await module.init();
    return {
      module,
      cache: module.get(MessageCache),
      chats: module.get(ChatRepository),
      messages: module.get(MessageRepository),
      bus: module.get<UnreliableBus>(COHERENCE_BUS),
    };
  }

  it('never show a chat older than they have shown it, and one look after the last write all show the same', async () => {
    const chatIds: string[] = [];
    for (let chat = 0; chat < CHATS; chat++) {
      const { chatId } = await applications[0]!.chats.createChat({
        title: `chat ${chat}`,
        participants: USERS.map((userId) => ({ userId })),
      });
      chatIds.push(chatId);
    }
    const shown = applications.map(() => new Map<string, number>());
    const read = async (at: number, chatId: string): Promise<void> => {
      const before = shown[at]!.get(chatId) ?? 0;
      const page = await applications[at]!.cache.getMessages(chatId, { limit: 200 });
      expect(page!.version).toBeGreaterThanOrEqual(before);
      expect(page!.value.items.map(({ seq }) => seq)).toEqual(page!.value.items.map((_message, place) => place + 1));
      shown[at]!.set(chatId, Math.max(before, page!.version));
    };
    for (let step = 0; step < STEPS; step++) {
      const by = random.integer(applications.length);
      const chatId = random.pick(chatIds);
      if (random.next() < 0.5) {
        await applications[by]!.messages.createMessage({ chatId, senderId: random.pick(USERS), text: `step ${step}` });
      }
      await read(random.integer(applications.length), chatId);
    }
    expect(applications.reduce((sum, { bus }) => sum + bus.lost, 0)).toBeGreaterThan(50);
    for (const { bus } of applications) bus.release();
    for (const { module } of applications) await module.get(Poller).pollAgain();
    const pages = async ({ cache }: Application): Promise<string[]> => {
      const answers = [];
      for (const chatId of chatIds) {
        answers.push((await cache.getMessages(chatId, { limit: 200 }))!.toBuffer().toString());
      }
      return answers;
    };
    const [first, ...others] = await Promise.all(applications.map(pages));
    for (const each of others) expect(each).toEqual(first);
    for (const { module } of applications) {
      expect(await module.get(Verifier).verify({})).toMatchObject({ divergent: [] });
    }
  });
});
