import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import fc from 'fast-check';
import { settlesWithin } from '../../src/storage/embedded/wait-until.js';
import { AbuseSite } from './abuse-site.js';
import { ATTACKS, openIdle, sendBytes, statusIn } from './raw-sockets.js';
import { floodWithRequests } from './request-flood.js';
import { anyStrings, throughTheApi } from './strings.js';

// `npm run test:abuse -- --requests 20000 --idle 10000 --strings 1000 --seed 1`
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    idle: { type: 'string', default: '10000' },
    strings: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
  },
});
const [requests, idle, strings, seed] = [values.requests, values.idle, values.strings, values.seed].map(Number);

/** Growth of resident memory from the first half of the requests to the end that is not a leak: the cache's budget fills, the heap breathes. */
const FLAT_BYTES = 64 * 2 ** 20;

const RESIDENT = 'process_resident_memory_bytes';
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

let violations = 0;
const violate = (what: string): void => {
  violations++;
  say(`VIOLATION ${what}`);
};

const site = await AbuseSite.start(undefined);
try {
  const document = await site.document();
  const flood = async (count: number, from: number): Promise<void> => {
    const report = await floodWithRequests(site.instance.url, document, {
      requests: count,
      seed: from,
      inhabitants: () => site.inhabit(),
    });
    for (const violation of report.violations) violate(violation);
    say(`${count} requests to ${Object.keys(report.operations).length} operations: ${JSON.stringify(report.statuses)}`);
  };
  await flood(Math.ceil(requests! / 2), seed!);
  const before = await site.metric(RESIDENT);
  await flood(Math.floor(requests! / 2), seed! + requests!);
  const after = await site.metric(RESIDENT);
  say(`Resident memory: ${megabytes(before)} after half of them, ${megabytes(after)} after all`);
  if (after - before > FLAT_BYTES) violate(`memory grows: ${megabytes(after - before)} more`);

  for (const { what, bytes, statuses } of ATTACKS) {
    const status = statusIn(await sendBytes(site.instance.port, bytes));
    if (statuses.length > 0 && !statuses.includes(status ?? 0)) violate(`${what}: ${status}`);
  }
  say(`${ATTACKS.length} kinds of broken HTTP`);

  const sockets = await openIdle(site.instance.port, idle!);
  const { chatIds } = await site.inhabit();
  const startedMs = performance.now();
  for (let at = 0; at < 1000; at++) await site.service.page(chatIds[at % chatIds.length]!);
  const perRead = (performance.now() - startedMs) / 1000;
  const holding = await site.metric(RESIDENT);
  say(
    `${sockets.length} idle connections: 1,000 pages read beside them, ${perRead.toFixed(2)} ms each; ` +
      `resident memory ${megabytes(holding)}`,
  );
  const closed = Promise.all(
    sockets.map((socket) => (socket.closed ? undefined : new Promise((done) => socket.once('close', done)))),
  );
  sockets.forEach((socket) => socket.resume());
  if (!(await settlesWithin(closed, 60_000))) violate('idle connections are not closed');
  else say('All of them were closed by the server');

  let sent = 0;
  const property = fc.asyncProperty(anyStrings, async (each) => {
    fc.pre(each.userId !== each.otherUserId);
    sent++;
    const back = await throughTheApi(site.service, each);
    if (!isDeepStrictEqual({ ...back }, { ...each, metadata: { ...each.metadata } }))
      throw new Error(`${JSON.stringify(each)} came back as ${JSON.stringify(back)}`);
  });
  const result = await fc.check(property, { numRuns: strings!, seed: seed! });
  if (result.failed) violate(`strings: ${String(result.errorInstance)}`);
  say(`${sent} chats of strings of every kind came back byte for byte`);

  await delay(100);
  if ((await fetch(`${site.instance.url}/health/ready`)).status !== 200) violate('the instance is not ready');
} finally {
  await site.stop();
}
say(`Seed ${seed}. Violations: ${violations}`);
process.exitCode = violations === 0 ? 0 : 1;
