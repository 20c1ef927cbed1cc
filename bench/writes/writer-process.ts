import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Warmer } from '../../src/cache/lifecycle/warmer.js';
import { CacheModule, MessageRepository, StorageModule } from '../../src/index.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { serveOrders } from '../load/order-process.js';

/** What one slice of writing in process is to be. */
export interface WriterOrder {
  readonly chatIds: readonly string[];
  readonly senderIds: readonly string[];
  readonly texts: readonly string[];
  /** Each sends one message after the other. */
  readonly writers: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  readonly seed: number;
}

/** What one slice came to; the warm-up is not in it. */
export interface WriterReport {
  /** Acknowledged messages, those of the warm-up included: as many must be in the database. */
  readonly acknowledged: number;
  readonly messages: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of this process in the measured time. */
  readonly cpuUs: number;
}

const storage = StorageModule.forRootAsync({
  useFactory: () => ({ databaseUrl: process.env['DATABASE_URL'], dataDir: '', writeQueueMax: 10_000 }),
});

const cache = CacheModule.forRootAsync({
  imports: [storage],
  useFactory: () => ({
    mode: 'on' as const,
    maxBytes: 512 * 2 ** 20,
    tailMessages: 100,
    warmDeadlineMs: 60_000,
    pollMs: 1000,
  }),
});

@Module({ imports: [storage, cache] })
class WriterModule {}

// An application that has imported the modules, with all chats in its cache.
const app = await NestFactory.createApplicationContext(WriterModule, { logger: ['error', 'warn'] });
const messages = app.get(MessageRepository, { strict: false });
const warmer = app.get(Warmer, { strict: false });
while (!warmer.isReady) await delay(10);
serveOrders(writeSlice);

async function writeSlice(order: WriterOrder): Promise<WriterReport> {
  const random = new SeededRandom(order.seed);
  const warmUp = await writeFor(order, random, order.warmUpMs);
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  const latencies = Float64Array.from(await writeFor(order, random, order.measuredMs)).sort();
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    acknowledged: warmUp.length + latencies.length,
    messages: latencies.length,
    perSecond: latencies.length / seconds,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)]!,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)]!,
    cpuUs: cpu.user + cpu.system,
  };
}

/** @returns the time of each acknowledgement. */
async function writeFor(order: WriterOrder, random: SeededRandom, durationMs: number): Promise<number[]> {
  const latencies: number[] = [];
  const endMs = performance.now() + durationMs;
  const write = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs;) {
      await messages.createMessage({
        chatId: random.pick(order.chatIds),
        senderId: random.pick(order.senderIds),
        text: random.pick(order.texts),
        clientId: randomUUID(),
      });
      const doneMs = performance.now();
      latencies.push(doneMs - nowMs);
      nowMs = doneMs;
    }
  };
  await Promise.all(Array.from({ length: order.writers }, write));
  return latencies;
}
