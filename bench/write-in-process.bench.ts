import { writeSection } from './report.js';
import { alternate, ratiosToFirst, tablesOf, type Slice } from './writes/alternate.js';
import type { InProcessWriters } from './writes/in-process-writers.js';
import type { OneRowCommits, OneRowForm } from './writes/one-row-commits.js';
import type { WriteBench } from './writes/write-bench.js';

const ROUNDS = 5;
const WARM_UP_MS = 500;
const MEASURED_MS = 4000;
/** As many as fill two batches: one on its way, one that forms. */
const WRITERS = 1024;
const CLIENTS = 16;

/** Sends through the repositories of many writers to many chats, against one row for each commit. */
export async function benchWritesInProcess(
  bench: WriteBench,
  oneRow: OneRowCommits,
  writers: InProcessWriters,
): Promise<void> {
  const { database, texts, senderIds, averageText } = bench;
  const order = { chatIds: database.chatIds, senderIds, texts, warmUpMs: WARM_UP_MS, measuredMs: MEASURED_MS };
  const pgbench = (form: OneRowForm, seed: number): Promise<Slice> =>
    oneRow.run({
      form,
      chats: database.chatIds.length,
      clients: CLIENTS,
      seconds: MEASURED_MS / 1000,
      text: averageText,
      seed,
    });
  const sides = {
    scrollback: {
      title: `Scrollback, ${WRITERS.toLocaleString('en')} writers`,
      run: (seed: number): Promise<Slice> => writers.run({ ...order, writers: WRITERS, seed }),
    },
    transaction: {
      title: `\`pgbench -M prepared -c ${CLIENTS}\`, UPDATE and INSERT in a transaction`,
      run: (seed: number) => pgbench('transaction', seed),
    },
    statement: {
      title: `\`pgbench -M prepared -c ${CLIENTS}\`, both in one statement`,
      run: (seed: number) => pgbench('statement', seed),
    },
    few: {
      title: `Scrollback, ${CLIENTS} writers`,
      run: (seed: number): Promise<Slice> => writers.run({ ...order, writers: CLIENTS, seed }),
    },
  };
  const slices = await alternate(database, sides, ROUNDS);
  writeSection(
    'Writes in process',
    `Messages sent through the repositories of an application that has imported the modules, with all chats in its cache; and ` +
      `pgbench, which writes the same rows into tables like Scrollback's, one message for each commit. ${bench.about} All ` +
      'processes share all cores.',
    [...ratiosToFirst('Scrollback’s messages per second / those of', sides, slices), ...tablesOf(sides, slices)],
  );
}
