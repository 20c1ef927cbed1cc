import type { Commit, CoherenceState } from './coherence-state.js';
import { NOW, type Scenario } from './scenario.js';

/** The chat's version in an epoch of the database, by default the present one. */
export function versionOf(state: CoherenceState, scenario: Scenario, epoch = state.epoch): number {
  return baseVersion(scenario) + state.logs[epoch]!.length;
}

/** The set of writes that are in the chat at a version, as bits; `undefined` when there is no such version. */
export function contentAt(
  state: CoherenceState,
  scenario: Scenario,
  version: number,
  epoch = state.epoch,
): number | undefined {
  const log = state.logs[epoch]!;
  const length = version - baseVersion(scenario);
  if (length < 0 || length > log.length) return undefined;
  return contentOf(log.slice(0, length));
}

/** The writes of some commits, as bits. */
export function contentOf(commits: readonly Commit[]): number {
  return commits.reduce((content, { writer }) => content | (1 << writer), 0);
}

/** Whether the chat's member has left, by the content of the chat. */
export function hasLeft(content: number, { writers }: Scenario): boolean {
  return writers.some(({ kind }, writer) => kind === 'leave' && (content & (1 << writer)) !== 0);
}

/** Lowest transaction id that is still open, or the next one: `pg_snapshot_xmin`. */
export function snapshotXmin(state: CoherenceState): number {
  const open = state.writers.filter(({ phase }) => phase === 'open' || phase === 'announced').map(({ xid }) => xid);
  return Math.min(state.nextXid, ...open);
}

/** Commits the open transaction of a writer. The head's row lock makes version order commit order. */
export function commit(state: CoherenceState, writer: number, scenario: Scenario): void {
  const own = state.writers[writer]!;
  const isHand = scenario.writers[writer]!.at === 'hand';
  // What no check looks at is left out, so that states do not differ by it.
  const xid = scenario.failovers === undefined ? 0 : own.xid;
  state.logs[state.epoch]!.push({ writer, xid, time: NOW });
  if (!isHand || scenario.flaw !== 'hand edit leaves no trace') state.headXid = own.xid;
  own.xid = 0;
  own.version = isHand ? 0 : versionOf(state, scenario);
  own.epoch = isHand ? 0 : state.epoch;
  own.phase = isHand ? 'done' : 'committed';
  forgetPolled(state);
}

/** Ends the open transaction of a writer with nothing written. */
export function rollBack(state: CoherenceState, writer: number): void {
  state.writers[writer] = { phase: 'done', xid: 0, version: 0, epoch: 0 };
}

/** A standby takes over that has the first commits only. Versions and transaction ids run backwards. */
export function failOver(state: CoherenceState, kept: number, scenario: Scenario): void {
  const log = state.logs[state.epoch]!.slice(0, kept);
  state.logs.push(log);
  state.epoch++;
  state.headXid = log.at(-1)?.xid ?? 0;
  state.nextXid = Math.max(0, ...log.map(({ xid }) => xid)) + 1;
  for (const [number, writer] of state.writers.entries()) {
    if (writer.phase === 'open' || writer.phase === 'announced') rollBack(state, number);
  }
  forgetPolled(state);
  // What was acknowledged and is lost is the database's loss: see its replication settings.
  for (const instance of state.instances) instance.acked = Math.min(instance.acked, baseVersion(scenario) + kept);
}

/** Version of the chat before the first write: 0 when it is absent. */
export function baseVersion({ startsAbsent }: Scenario): number {
  return startsAbsent === true ? 0 : 1;
}

function forgetPolled(state: CoherenceState): void {
  for (const instance of state.instances) {
    instance.isPolled = false;
    if (instance.poll !== undefined) instance.poll.isUpToDate = false;
  }
}
