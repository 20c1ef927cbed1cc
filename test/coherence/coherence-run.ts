import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { compareAnswers, takeAnswers, type Answers } from '../faults/answers-check.js';
import type { DurableDatabase } from '../faults/durable-database.js';
import type { FaultCount } from '../faults/fault-injector.js';
import { planFaults } from '../faults/fault-plan.js';
import { Findings } from '../faults/findings.js';
import { HttpLine, jsonOf, type HttpAnswer } from '../faults/http-line.js';
import { OperationTally } from '../faults/operation-tally.js';
import { writerIdentities } from '../faults/workload.js';
import { checkHistory } from '../history/check-history.js';
import type { ChatAtEnd } from '../history/history.js';
import { makeTestFolder } from '../support/process.js';
import { readChatAtEnd } from './chats-at-end.js';
import { CoherenceFaults, type CoherenceFault } from './coherence-faults.js';
import { BOUND_MS, CoherenceSite } from './coherence-site.js';
import { CoherenceWorkload, sharedChats, type SharedChat } from './coherence-workload.js';
import { HandEditor } from './hand-editor.js';
import { HistoryRecorder } from './history-recorder.js';
import { topologyOf } from './topology.js';
import { WanderingClient } from './wandering-client.js';

/** What to do. */
export interface CoherenceOptions {
  readonly seed: number;
  /** Faults are done for this long, and until each kind was done. */
  readonly faultsMs: number;
  /** Longest pause of a client between two operations, in milliseconds; 30 unless told otherwise, 0: none. */
  readonly pauseMs?: number;
  /** Ends the faults before their time; what was done is checked. */
  readonly stop?: AbortSignal;
}

/** What was done, and what came of it. */
export interface CoherenceReport {
  readonly seed: number;
  /** How the instances hear of each other. */
  readonly topology: string;
  readonly seconds: number;
  readonly operations: OperationTally;
  readonly faults: ReadonlyMap<CoherenceFault, FaultCount>;
  readonly findings: Findings;
  /** Answers about one chat that were checked, and how many of them said that they were stale. */
  readonly reads: number;
  readonly stale: number;
  readonly writes: number;
  /** From an acknowledgement until another instance has answered it, ascending, in milliseconds. */
  readonly lagsMs: readonly number[];
  /** Where the logs and the database are left, if there are violations. */
  readonly folder: string | undefined;
}

/** Clients leave some processor time to the instances. */
const PAUSE_MS = 30;

/** For answers after the faults: the machine may be busy. */
const PATIENT_MS = 60_000;

/**
 * Runs clients against three instances and a database that are struck by faults, and checks the history.
 *
 * @throws Error when something does not come back or does not end. The folder with the database and its log then stays.
 */
export async function runCoherence(options: CoherenceOptions): Promise<CoherenceReport> {
  const folder = await makeTestFolder();
  let report: CoherenceReport;
  try {
    const site = await CoherenceSite.start(topologyOf(options.seed), folder.path);
    try {
      report = await runOn(site, options, folder.path);
    } finally {
      await site.stop();
    }
  } catch (error) {
    throw new Error(`seed ${options.seed} did not come to its end; see ${folder.path}`, { cause: error });
  }
  if (report.folder === undefined) await folder.remove();
  return report;
}

async function runOn(site: CoherenceSite, options: CoherenceOptions, folder: string): Promise<CoherenceReport> {
  const startedMs = performance.now();
  const { seed } = options;
  const findings = new Findings();
  const operations = new OperationTally();
  const recorder = new HistoryRecorder();
  const chats = sharedChats(seed);
  const { database } = site;
  const instances = site.instances.map((instance) => instance.process);
  const ports = instances.map(({ port }) => port);
  const identities = writerIdentities();
  const clients = identities.map(({ client }) => {
    return new WanderingClient(client, ports, new SeededRandom(seed * 77 + client), recorder, operations, findings);
  });
  const workloads = identities.map((identity, at) => {
    return new CoherenceWorkload(identity, seed, BOUND_MS, clients[at]!, chats, recorder, options.pauseMs ?? PAUSE_MS);
  });
  const editors = [0, 1].map((at) => {
    return new HandEditor(identities.length + at, seed, () => database.url, chats, recorder, operations);
  });
  const faults = new CoherenceFaults({ site, clients, chats, editor: editors[1]!, boundMs: BOUND_MS });
  try {
    await createChats(clients[0]!, chats);
    let goesOn = true;
    const work = [...workloads, editors[0]!].map((each) => each.run(() => goesOn));
    try {
      await strike(faults, options);
    } finally {
      goesOn = false;
      for (const client of clients) client.expectAnswers();
      await Promise.all(work);
    }
  } finally {
    for (const client of clients) client.close();
  }
  const chatsAtEnd = await checkAtRest(database, ports, chats, findings);
  checkHistory(
    { boundMs: BOUND_MS, reads: recorder.reads, writes: recorder.writes, sends: recorder.sends, chats: chatsAtEnd },
    findings,
  );
  for (const instance of instances) {
    const exitCode = await instance.stop();
    findings.expect(exitCode === 0, 'life of the instances', () => `SIGTERM ended one with exit code ${exitCode}`);
    for (const end of instance.unaskedEnds) {
      findings.violate('life of the instances', `${end}; it said last:\n${instance.lastLines.slice(-40).join('\n')}`);
    }
  }
  return {
    seed,
    topology: topologyOf(seed).name,
    seconds: (performance.now() - startedMs) / 1000,
    operations,
    faults: faults.counts,
    findings,
    reads: recorder.reads.length,
    stale: recorder.reads.filter(({ isStale }) => isStale).length,
    writes: recorder.writes.length,
    lagsMs: workloads.flatMap(({ lagsMs }) => lagsMs).sort((one, other) => one - other),
    folder: findings.violations.length > 0 ? folder : undefined,
  };
}

/** Instances, the database and the ways between them are struck side by side, so that faults come together as well. */
async function strike(faults: CoherenceFaults, { seed, faultsMs, stop }: CoherenceOptions): Promise<void> {
  const untilMs = performance.now() + faultsMs;
  const strikeAll = async (kinds: readonly CoherenceFault[], random: SeededRandom): Promise<void> => {
    for (const fault of planFaults(kinds, random)) {
      const isOver = performance.now() >= untilMs && kinds.every((kind) => faults.counts.get(kind)!.times > 0);
      if (isOver || stop?.aborted === true) return;
      await sleep(fault.pauseMs);
      await faults.inject(fault);
    }
  };
  await Promise.all(faults.lanes.map((kinds, lane) => strikeAll(kinds, new SeededRandom(seed * 31 + lane))));
}

async function createChats(client: WanderingClient, chats: readonly SharedChat[]): Promise<void> {
  for (const { chatId, members } of chats) {
    const participants = members.slice(1).map((userId) => ({ userId, role: 'admin' }));
    const body = { id: chatId, title: `chat ${chatId.slice(0, 8)}`, participants };
    const question = {
      kind: 'chat',
      chatId,
      raises: true,
      method: 'POST',
      path: '/v1/chats',
      userId: members[0],
      body,
    };
    await client.write(question);
  }
}

/** One poll after the last fault every instance tells what the database tells, byte for byte, and knows of nothing wrong. */
async function checkAtRest(
  database: DurableDatabase,
  ports: readonly number[],
  chats: readonly SharedChat[],
  findings: Findings,
): Promise<ChatAtEnd[]> {
  const chatIds = chats.map(({ chatId }) => chatId);
  const userIds = [...new Set(chats.flatMap(({ members }) => members))];
  const lines = ports.map((port) => new HttpLine(port, PATIENT_MS));
  try {
    const endedMs = performance.now();
    await Promise.all(lines.map((line) => awaitPollSince(line, endedMs)));
    const cached: Answers[] = [];
    for (const line of lines) cached.push(await takeAnswers(line, chatIds, userIds));
    await ask(lines[0]!, 'PUT', '/v1/admin/cache/mode', { mode: 'off' });
    const expected = await takeAnswers(lines[0]!, chatIds, userIds);
    await ask(lines[0]!, 'PUT', '/v1/admin/cache/mode', { mode: 'on' });
    for (const answers of cached) compareAnswers('every instance equals the database', answers, expected, findings);
    for (const line of lines) {
      const verified = jsonOf<{ checked: number; divergent: unknown[] }>(
        await ask(line, 'POST', '/v1/admin/cache/verify', {}),
      );
      findings.count('chats verified', verified.checked);
      findings.expect(verified.divergent.length === 0, 'verify', () => JSON.stringify(verified.divergent));
      const { text } = await ask(line, 'GET', '/metrics');
      const divergence = /^scrollback_cache_divergence_total (.*)$/m.exec(text)?.[1];
      findings.expect(divergence === '0', 'divergence', () => `scrollback_cache_divergence_total is ${divergence}`);
    }
    return await Promise.all(chatIds.map((chatId) => readChatAtEnd(database, chatId, expected)));
  } finally {
    for (const line of lines) line.close();
  }
}

async function awaitPollSince(line: HttpLine, sinceMs: number): Promise<void> {
  const hasPolled = async (): Promise<boolean> => {
    const answer = await ask(line, 'GET', '/v1/admin/cache');
    const ageMs = jsonOf<{ coherence: { lastConfirmedMs: number | null } }>(answer).coherence.lastConfirmedMs;
    return ageMs !== null && performance.now() - ageMs > sinceMs;
  };
  if (!(await waitUntil(hasPolled, PATIENT_MS))) throw new Error('an instance does not poll any more');
}

async function ask(line: HttpLine, method: string, path: string, body?: object): Promise<HttpAnswer> {
  const answer = await line.ask({ method, path, body });
  if (answer?.status !== 200) throw new Error(`${method} ${path} was answered ${answer?.status} ${answer?.text}`);
  return answer;
}
