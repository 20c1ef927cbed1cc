import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { makeTestFolder } from '../support/process.js';
import { compareAnswers } from './answers-check.js';
import { checkAtRest, takeAllAnswers } from './check-at-rest.js';
import { checkAfterCrash, type RunSql } from './database-check.js';
import { DurableDatabase } from './durable-database.js';
import { FaultInjector, type FaultCount } from './fault-injector.js';
import { BURDENS, isCrash, planFaults, STRIKES, type FaultKind } from './fault-plan.js';
import { Findings } from './findings.js';
import { HttpLine } from './http-line.js';
import { InsistentClient } from './insistent-client.js';
import { InstanceProcess } from './instance-process.js';
import { Ledger } from './ledger.js';
import { OperationTally } from './operation-tally.js';
import { Reader } from './reader.js';
import { firstChats, writerIdentities } from './workload.js';
import { Writer } from './writer.js';

/** What to do. */
export interface FaultRunOptions {
  readonly seed: number;
  /** Faults are done for this long, and until each kind has hit something. */
  readonly faultsMs: number;
  /** Ends the faults before their time; what was done is checked. */
  readonly stop?: AbortSignal;
}

/** What was done, and what came of it. */
export interface FaultReport {
  readonly seed: number;
  readonly seconds: number;
  readonly operations: OperationTally;
  readonly faults: ReadonlyMap<FaultKind, FaultCount>;
  readonly findings: Findings;
  /** Messages in the database at the end, and how many of them are acknowledged. */
  readonly messages: number;
  readonly acknowledged: number;
  /** Database crashes that were done, and recoveries that the server's log tells of. */
  readonly crashes: number;
  readonly recoveries: number;
  /** Starts of the instance that came to nothing because the database was away. */
  readonly failedStarts: number;
  /** Where the logs and the database are left, if there are violations. */
  readonly folder: string | undefined;
  /** What the instance said last, if there are violations. */
  readonly lastLines: readonly string[];
}

const READERS = 2;

/** Of one lane: a kind that hits nothing must not be tried for ever. */
const MOST_FAULTS = 1000;

/** Small, so that chats leave the cache and come back. */
const CACHE_MAX_BYTES = '2MiB';

/** For answers after the faults: the machine may be busy. */
const PATIENT_MS = 60_000;

/**
 * Runs clients against an instance and a database that are struck by faults, and checks what is left.
 *
 * @throws Error when something does not come back or does not end. The folder with the database and its log then stays too.
 */
export async function runFaults(options: FaultRunOptions): Promise<FaultReport> {
  const folder = await makeTestFolder();
  const database = await DurableDatabase.start(join(folder.path, 'data'));
  let report: FaultReport;
  try {
    report = await runOn(database, options, folder.path);
  } catch (error) {
    throw new Error(`seed ${options.seed} did not come to its end; see ${folder.path}`, { cause: error });
  } finally {
    await database.stop();
  }
  if (report.folder === undefined) await folder.remove();
  return report;
}

async function runOn(database: DurableDatabase, options: FaultRunOptions, folder: string): Promise<FaultReport> {
  const startedMs = performance.now();
  const findings = new Findings();
  const ledger = new Ledger();
  const operations = new OperationTally();
  const runSql: RunSql = (sql, values) => database.query(sql, values);
  const instance = await InstanceProcess.start({
    DATABASE_URL: database.url,
    CACHE_MAX_BYTES,
    MAX_EVENT_LOOP_DELAY_MS: '0',
  });
  const lines = Array.from({ length: writerIdentities().length + READERS }, () => new HttpLine(instance.port));
  const clients = lines.map((line) => new InsistentClient(line, operations, findings));
  try {
    await createChats(clients[0]!, ledger, options.seed);
    const hotChatId = ledger.chats[0]!.chatId;
    const injector = new FaultInjector({ instance, database, lines, hotChatId });
    await writeUnderFaults(injector, clients, ledger, options, findings, runSql);
    const patient = new HttpLine(instance.port, PATIENT_MS);
    try {
      const expected = await checkAtRest(patient, runSql, ledger, findings);
      await instance.kill();
      await instance.start();
      const warmed = await takeAllAnswers(patient, ledger, 'hit', findings);
      compareAnswers('warmed cache equals database', warmed, expected, findings);
    } finally {
      patient.close();
    }
    const exitCode = await instance.stop();
    findings.expect(exitCode === 0, 'life of the instance', () => `SIGTERM ended it with exit code ${exitCode}`);
    for (const end of instance.unaskedEnds) findings.violate('life of the instance', end);
    const [count] = await runSql<{ messages: number }>('SELECT count(*)::int AS messages FROM message');
    const isFound = findings.violations.length > 0;
    return {
      seed: options.seed,
      seconds: (performance.now() - startedMs) / 1000,
      operations,
      faults: injector.counts,
      findings,
      messages: count!.messages,
      acknowledged: ledger.sent.filter(({ state }) => state === 'acknowledged').length,
      crashes: database.crashes,
      recoveries: await database.countRecoveries(),
      failedStarts: instance.failedStarts,
      folder: isFound ? folder : undefined,
      lastLines: isFound ? instance.lastLines : [],
    };
  } finally {
    await instance.kill();
    for (const line of lines) line.close();
  }
}

/** Clients write and read while faults are done; all end what they have begun. */
async function writeUnderFaults(
  injector: FaultInjector,
  clients: readonly InsistentClient[],
  ledger: Ledger,
  { seed, faultsMs, stop }: FaultRunOptions,
  findings: Findings,
  runSql: RunSql,
): Promise<void> {
  let goesOn = true;
  const isOn = (): boolean => goesOn;
  const workers = clients.map((client, at) => {
    const identity = writerIdentities()[at];
    if (identity === undefined) return new Reader(seed * 1000 + at, client, ledger, findings).run(isOn);
    return new Writer(identity, seed, client, ledger, findings).run(isOn);
  });
  const untilMs = performance.now() + faultsMs;
  const isOver = (kinds: readonly FaultKind[], done: number): boolean => {
    if (stop?.aborted === true || done >= MOST_FAULTS) return true;
    return performance.now() > untilMs && kinds.every((kind) => injector.counts.get(kind)!.hit > 0);
  };
  const strike = async <Kind extends FaultKind>(kinds: readonly Kind[], random: SeededRandom): Promise<void> => {
    let done = 0;
    for (const fault of planFaults(kinds, random)) {
      if (isOver(kinds, done++)) return;
      await sleep(fault.pauseMs);
      await injector.inject(fault);
      if (isCrash(fault.kind)) await checkAfterCrash(runSql, ledger, findings);
    }
  };
  try {
    await Promise.all([strike(STRIKES, new SeededRandom(seed)), strike(BURDENS, new SeededRandom(~seed))]);
  } finally {
    goesOn = false;
    for (const client of clients) client.expectAnswers();
    await Promise.all(workers);
  }
}

async function createChats(client: InsistentClient, ledger: Ledger, seed: number): Promise<void> {
  for (const { chatId, members } of firstChats(seed)) {
    const { title } = ledger.addChat(chatId, `chat ${chatId.slice(0, 8)}`, members);
    const participants = members.slice(1).map((userId) => ({ userId }));
    const body = { id: chatId, title, participants };
    await client.insist({ kind: 'chat', method: 'POST', path: '/v1/chats', userId: members[0], body });
  }
}
