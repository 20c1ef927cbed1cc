import { writeSection } from './report.js';
import { alternate, ratiosToFirst, tablesOf, type Slice } from './writes/alternate.js';
import type { InProcessWriters } from './writes/in-process-writers.js';
import type { OneRowCommits, OneRowForm } from './writes/one-row-commits.js';
import type { WriteBench } from './writes/write-bench.js';

const ROUNDS = 5;
const WARM_UP_MS = 500;
const MEASURED_MS = 4000;
const WRITERS = 64;
/** A pool as applications have it: fewer who wait for the one row are in each other's way less. */
const POOL = 10;

/** Many writers into one chat, whose messages are numbered one after the other: in batches, and one for each commit. */
export async function benchHotChat(bench: WriteBench, oneRow: OneRowCommits, writers: InProcessWriters): Promise<void> {
  const { texts, senderIds, averageText, database } = bench;
  const chatIds = database.chatIds.slice(0, 1);
  const pgbench = (form: OneRowForm, clients: number) => ({
    title: `pgbench, ${clients} connections, ${form === 'transaction' ? 'UPDATE and INSERT in a transaction' : 'both in one statement'}`,
    run: (seed: number): Promise<Slice> =>
      oneRow.run({ form, chats: 1, clients, seconds: MEASURED_MS / 1000, text: averageText, seed }),
  });
  const order = { chatIds, senderIds, texts, writers: WRITERS, warmUpMs: WARM_UP_MS, measuredMs: MEASURED_MS };
  const sides = {
    scrollback: {
      title: `Scrollback, ${WRITERS} writers`,
      run: (seed: number): Promise<Slice> => writers.run({ ...order, seed }),
    },
    transactions: pgbench('transaction', WRITERS),
    pooled: pgbench('transaction', POOL),
    statements: pgbench('statement', WRITERS),
    pooledStatements: pgbench('statement', POOL),
  };
  const slices = await alternate(database, sides, ROUNDS);
  writeSection(
    'One hot chat',
    `${WRITERS} writers into one chat, in process, and pgbench with one message for each commit, which waits for the chat's row. ` +
      `${bench.about} All processes share all cores.`,
    [...ratiosToFirst('Scrollback’s messages per second / those of', sides, slices), ...tablesOf(sides, slices)],
  );
}
