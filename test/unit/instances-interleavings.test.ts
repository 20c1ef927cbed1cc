import { beforeAll, describe, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { BLOCK_SIZE } from '../../src/cache/local/message-block.js';
import type { Write } from './fake-database.js';
import { CHATS, InstancesScene, LONG_SEQ, USERS, type Read, type Transaction } from './instances-scene.js';

const chatId = fc.constantFrom(...CHATS);
const userId = fc.constantFrom(...USERS);
const instance = fc.constantFrom(0 as const, 1 as const);
const seq = fc.constantFrom(1, 3, BLOCK_SIZE, BLOCK_SIZE + 1, LONG_SEQ, LONG_SEQ + 1);

const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('send' as const), senderId: userId }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('edit' as const, 'delete' as const), seq }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('join' as const, 'leave' as const), userId }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('title' as const), title: fc.constantFrom('a', 'b') }) },
  { weight: 1, arbitrary: fc.constant<Write>({ type: 'remove' }) },
);

/** The chat that is not there at first has to be made before anything can be written to it. */
const CREATE: Write = { type: 'create', userIds: ['alice', 'bob'] };

const transaction: fc.Arbitrary<Transaction & { readonly by: 0 | 1 }> = fc.record({
  by: instance,
  chatId,
  writes: fc.array(write, { minLength: 1, maxLength: 3 }),
  answer: fc.constantFrom('comes', 'comes', 'comes', 'comes', 'lost', 'never'),
});

const read: fc.Arbitrary<Read> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('chat' as const, 'page' as const), chatId }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('inbox' as const), userId }) },
);

const history = fc.record({
  maxBytes: fc.constantFrom(6000, 30_000, 10_000_000),
  /** How often messages of the bus come. */
  fates: fc.array(fc.nat(2), { minLength: 1, maxLength: 8 }),
  writes: fc.array(transaction, { maxLength: 10 }),
  reads: fc.array(fc.record({ by: instance, wanted: read }), { minLength: 1, maxLength: 12 }),
  polls: fc.array(instance, { maxLength: 4 }),
  times: fc.array(fc.constantFrom(2000, 4000, 6000), { maxLength: 3 }),
  purges: fc.array(chatId, { maxLength: 1 }),
  restores: fc.array(fc.record({ chatId, back: fc.integer({ min: 1, max: 3 }) }), { maxLength: 1 }),
});

async function inOrder<T>(steps: readonly T[], run: (step: T) => Promise<void>): Promise<void> {
  for (const step of steps) await run(step);
}

describe('two instances under every order of events, with a bus that loses, delays, repeats and reorders', () => {
  // Restores are part of it: no need to warn of each.
  beforeAll(() => Logger.overrideLogger(false));

  it('never show what was not or is too old, never go back, stay within their budgets, and end up as the database is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        history,
        async (scheduler, { maxBytes, fates, writes, reads, polls, times, purges, restores }) => {
          const scene = new InstancesScene(scheduler, maxBytes, fates);
          await scheduler.waitFor(scene.start());
          // An instance has one transaction of a chat in flight at a time.
          const lines = scene.instances.flatMap((each, by) =>
            CHATS.map((chat) =>
              inOrder(
                writes.filter((one) => one.by === by && one.chatId === chat),
                (one) => scene.write(each, chat === CHATS[2] ? { ...one, writes: [CREATE, ...one.writes] } : one),
              ),
            ),
          );
          const rest = [
            ...reads.map(({ by, wanted }) => scene.read(scene.instances[by], wanted)),
            ...polls.map((by) => scene.poll(scene.instances[by])),
            inOrder(times, (ms) => scene.passTime(ms)),
            ...purges.map((chat) => scene.purge(chat)),
            ...restores.map(({ chatId: chat, back }) => scene.restore(chat, back)),
          ];
          await scheduler.waitFor(Promise.all([...lines, ...rest]));
          await scheduler.waitFor(Promise.all(scene.messages));
          await scheduler.waitFor(scene.settle());
        },
      ),
      { numRuns: 200 },
    );
  }, 240_000);
});
