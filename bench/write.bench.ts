import { benchWritesInProcess } from './write-in-process.bench.js';
import { WriteBench } from './writes/write-bench.js';

/** Everything about writes but their growth: in process, over HTTP, into one hot chat, and how long a send takes. */
export async function benchWrites(source: string | undefined): Promise<void> {
  const bench = await WriteBench.start(source);
  try {
    await benchWritesInProcess(bench);
  } finally {
    await bench.stop();
  }
}
