import { benchHotChat } from './write-hot-chat.bench.js';
import { benchWritesOverHttp } from './write-http.bench.js';
import { benchWritesInProcess } from './write-in-process.bench.js';
import { benchWriteLatency } from './write-latency.bench.js';
import { HttpSenders } from './writes/http-senders.js';
import { WriteBench } from './writes/write-bench.js';

/** Everything about writes but their growth: in process, into one hot chat, over HTTP, and how long a send takes. */
export async function benchWrites(source: string | undefined): Promise<void> {
  const bench = await WriteBench.start(source);
  try {
    await benchInProcess(bench);
    await benchOverHttp(bench);
  } finally {
    await bench.stop();
  }
}

/** On all cores. */
async function benchInProcess(bench: WriteBench): Promise<void> {
  const oneRow = await bench.prepareOneRowCommits();
  const writers = bench.startWriters();
  try {
    await benchWritesInProcess(bench, oneRow, writers);
    await benchHotChat(bench, oneRow, writers);
  } finally {
    writers.stop();
  }
}

/** Each server on a core of its own. */
async function benchOverHttp(bench: WriteBench): Promise<void> {
  const senders = await HttpSenders.start(bench.database);
  try {
    await benchWritesOverHttp(bench, senders);
    await benchWriteLatency(bench, senders);
  } finally {
    await senders.stop();
  }
}
