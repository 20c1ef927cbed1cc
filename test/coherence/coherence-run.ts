import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import type { FaultCount } from '../faults/fault-injector.js';
import { planFaults } from '../faults/fault-plan.js';
import { Findings } from '../faults/findings.js';
import { OperationTally } from '../faults/operation-tally.js';
import { checkHistory } from '../history/check-history.js';
import { makeTestFolder } from '../support/process.js';
import { checkAtRest } from './check-at-rest.js';
import { CoherenceFaults, type CoherenceFault } from './coherence-faults.js';
import { BOUND_MS, CoherenceSite } from './coherence-site.js';
import { CoherenceWorkload } from './coherence-workload.js';
import { crowdsOf, HOT_CHATS, type Crowd } from './crowd.js';
import { HandEditor } from './hand-editor.js';
import { HistoryRecorder } from './history-recorder.js';
import { topologyOf } from './topology.js';
import { WanderingClient } from './wandering-client.js';

/** What to do. */
export interface CoherenceOptions {
  readonly seed: number;
  /** Faults are done for this long, and until each kind was done. */
  readonly faultsMs: number;
  /** Crowds of eight clients; 8 unless told otherwise. */
  readonly crowds?: number;
  /** Longest pause of each hand of a client between two operations, in milliseconds; 500 unless told otherwise, 0: none. */
  readonly pauseMs?: number;
  /** Ends the faults before their time; what was done is checked. */
  readonly stop?: AbortSignal;
}

/** How much was done and checked. */
export interface CoherenceWork {
  /** Reads that were answered. */
  readonly reads: number;
  /** What they told of one chat each, and how much of it was said to be stale. */
  readonly tellings: number;
  readonly stale: number;
  /** Writes that an instance has acknowledged. */
  readonly writes: number;
  /** Edits by hand that were committed. */
  readonly handEdits: number;
}

/** What was done, and what came of it. */
export interface CoherenceReport extends CoherenceWork {
  readonly seed: number;
  /** How the instances hear of each other. */
  readonly topology: string;
  readonly seconds: number;
  readonly operations: OperationTally;
  readonly faults: ReadonlyMap<CoherenceFault, FaultCount>;
  readonly findings: Findings;
  /** From an acknowledgement until another instance has answered it, ascending, in milliseconds. */
  readonly lagsMs: readonly number[];
  /** Where the logs and the database are left, if there are violations. */
  readonly folder: string | undefined;
}

/**
 * Load that leaves two cores some time: less of it wastes time that faults take anyway; more, and what is measured is how long requests
 * wait for a processor.
 */
const CROWDS = 8;
const PAUSE_MS = 500;

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
  const crowds = crowdsOf(seed, options.crowds ?? CROWDS);
  const { database } = site;
  const instances = site.instances.map((instance) => instance.process);
  const ports = instances.map(({ port }) => port);
  const clients = crowds.flatMap(({ identities }) => {
    return identities.map(({ client }) => {
      return new WanderingClient(client, ports, new SeededRandom(seed * 1000 + client), recorder, operations, findings);
    });
  });
  const workloads = crowds.flatMap(({ identities, chats }) => {
    return identities.map((identity) => {
      const client = clients[identity.client]!;
      return new CoherenceWorkload(identity, seed, BOUND_MS, client, chats, recorder, options.pauseMs ?? PAUSE_MS);
    });
  });
  // One for each crowd, and one whose edits are faults.
  const hotChats = crowds.flatMap(({ chats }) => chats.slice(0, HOT_CHATS));
  const [editor, ...editors] = [hotChats, ...crowds.map(({ chats }) => chats)].map((chats, at) => {
    return new HandEditor(clients.length + at, seed, () => database.url, chats, recorder, operations);
  });
  const faults = new CoherenceFaults({ site, clients, hotChats, editor: editor!, boundMs: BOUND_MS });
  try {
    await Promise.all(crowds.map((crowd) => createChats(clients[crowd.identities[0]!.client]!, crowd)));
    let goesOn = true;
    const work = [...workloads, ...editors].map((each) => each.run(() => goesOn));
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
  const chatsAtEnd = await checkAtRest(database, ports, crowds, findings);
  checkHistory(
    { boundMs: BOUND_MS, reads: recorder.reads, writes: recorder.writes, sends: recorder.sends, chats: chatsAtEnd },
    findings,
  );
  for (const instance of instances) {
    for (const line of instance.lastLines.filter((each) => each.includes(DIVERGENCE))) {
      findings.violate('divergence', line);
    }
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
    reads: recorder.answeredReads,
    tellings: recorder.reads.length,
    stale: recorder.reads.filter(({ isStale }) => isStale).length,
    writes: recorder.writes.filter(({ instance }) => instance !== undefined).length,
    handEdits: recorder.writes.filter(({ instance }) => instance === undefined).length,
    lagsMs: workloads.flatMap(({ lagsMs }) => lagsMs).sort((one, other) => one - other),
    folder: findings.violations.length > 0 ? folder : undefined,
  };
}

/** What an instance says of each chat that it has found to be held wrongly. */
const DIVERGENCE = 'The cache and the database differ';

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

async function createChats(client: WanderingClient, { chats }: Crowd): Promise<void> {
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
