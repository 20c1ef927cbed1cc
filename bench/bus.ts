// Measures the buses: how long from publishing on one instance to hearing on another, and what publishing and hearing cost. Run after
// the build: node dist/bench/bus.js
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { LinkedBus } from '../src/cache/coherence/bus/linked-bus.js';
import type { BusListener } from '../src/cache/coherence/bus/coherence-bus.js';
import { PostgresBus } from '../src/cache/coherence/bus/postgres-bus.js';
import { RedisBus } from '../src/cache/coherence/bus/redis-bus.js';
import { uuidV7 } from '../src/common/uuid.js';
import { parseRedisUrls } from '../src/redis/redis-address.js';
import { EmbeddedPostgres } from '../src/storage/embedded/embedded-postgres.js';
import { NotificationChannel } from '../src/storage/notification-channel.js';
import { asCommitted, type ChatChanges, type Committed } from '../src/storage/write/change.js';
import { RedisServer } from '../test/support/redis-server.js';
import { sampleMessage } from '../test/unit/sample-records.js';

const LATENCY_ROUNDS = 500;
const RATE = 10_000;
const SECONDS = 5;
const TICK_MS = 10;
const EPOCH = '7000000000000000001.00000001.16384';

function change(chatId: string, version: number): Committed<ChatChanges> {
  const message = sampleMessage({
    seq: version,
    version,
    text: 'A message as people write them, of some eighty characters or so, in one line.',
  });
  return asCommitted({ chatId, changes: [{ type: 'message', version, cause: 'sent', message, wasCountable: false }] });
}

async function latency(make: () => LinkedBus): Promise<void> {
  const [one, other] = [make(), make()];
  let heard: () => void = () => undefined;
  await one.start({ wants: () => true, onHeard: () => undefined, onGap: () => undefined });
  await other.start({ wants: () => true, onHeard: () => heard(), onGap: () => undefined });
  const times: number[] = [];
  for (let round = 0; round < LATENCY_ROUNDS; round++) {
    const arrived = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const startMs = performance.now();
    one.publish(EPOCH, change(uuidV7(), 2));
    await arrived;
    times.push(performance.now() - startMs);
    await sleep(3);
  }
  times.sort((first, second) => first - second);
  const at = (share: number): string => times[Math.floor(share * times.length)]!.toFixed(2);
  console.log(`${one.name}: latency p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  await Promise.all([one.stop(), other.stop()]);
}

/** Publishes at a rate and measures this process's CPU time. With no `listener` only publishing is measured. */
async function cost(label: string, make: () => LinkedBus, listener: BusListener | undefined): Promise<number> {
  const one = make();
  await one.start({ wants: () => false, onHeard: () => undefined, onGap: () => undefined });
  const other = listener === undefined ? undefined : make();
  if (listener !== undefined) await other!.start(listener);
  const chatIds = Array.from({ length: 1000 }, () => uuidV7());
  const before = process.cpuUsage();
  const startMs = performance.now();
  for (let sent = 0; sent < RATE * SECONDS;) {
    const due = Math.min(RATE * SECONDS, Math.floor(((performance.now() - startMs) / 1000) * RATE));
    for (; sent < due; sent++) one.publish(EPOCH, change(chatIds[sent % chatIds.length]!, sent + 2));
    await sleep(TICK_MS);
  }
  while (
    other !== undefined &&
    other.heard < RATE * SECONDS - one.versionOnly - one.dropped &&
    performance.now() - startMs < 30_000
  )
    await sleep(1);
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(before);
  const share = (user + system) / 1000 / elapsedMs;
  console.log(
    `${one.name}: ${label}: ${(share * 100).toFixed(1)} % of a core for ${((RATE * SECONDS) / (elapsedMs / 1000)).toFixed(0)} changes/s; ` +
      `heard ${other?.heard ?? '-'}, version only ${one.versionOnly}, dropped ${one.dropped}`,
  );
  await Promise.all([one.stop(), other?.stop()]);
  return share;
}

async function measure(make: () => LinkedBus): Promise<void> {
  await latency(make);
  const quiet = { onHeard: () => undefined, onGap: () => undefined };
  await cost('publishing', make, undefined);
  await cost('publishing, and hearing what nobody wants', make, { ...quiet, wants: () => false });
  await cost('publishing, and hearing what somebody wants', make, { ...quiet, wants: () => true });
}

Logger.overrideLogger(false);
const folder = await mkdtemp(join(tmpdir(), 'scrollback-bench-bus-'));
const postgres = await EmbeddedPostgres.start({ dataDir: join(folder, 'data') });
const redis = await RedisServer.start('');
try {
  await measure(() => new PostgresBus(new NotificationChannel(postgres.connection)));
  await measure(() => new RedisBus(parseRedisUrls(redis.url)!, 'bench'));
} finally {
  await redis.stop();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
