import { stateKey, copyState, type CoherenceState, type InstanceState } from './coherence-state.js';
import { contentAt, contentOf, failOver, hasLeft, versionOf } from './database-rules.js';
import type { Step, System } from './explorer.js';
import { instanceSteps } from './instance-steps.js';
import { isServed } from './instance-rules.js';
import { LEASE_TICKS, NOW, type Scenario } from './scenario.js';
import { writerSteps } from './writer-steps.js';

/**
 * The protocol of coherence as a system of states: one chat, two instances, some writers, one database, a bus that
 * delays, reorders and loses. Whatever does not happen in one step in the real system may be interrupted here by
 * anything else.
 *
 * What is served is checked in every state, as if somebody were reading all the time: a hit changes nothing.
 */
export function coherenceModel(scenario: Scenario): System<CoherenceState> {
  return {
    initial: initialState(scenario),
    next: (state) => withShown(state, scenario),
    key: stateKey,
    check: (state) => findWrong(state, scenario),
  };
}

function initialState(scenario: Scenario): CoherenceState {
  // Every instance has taken its first poll.
  const instance: InstanceState = {
    epoch: 0,
    horizon: 1,
    confirmedAt: NOW,
    entry: undefined,
    early: [],
    fill: undefined,
    poll: undefined,
    isPolled: true,
    acked: 0,
    shown: 0,
  };
  return {
    epoch: 0,
    logs: [[]],
    nextXid: 1,
    headXid: 0,
    writers: scenario.writers.map(() => ({ phase: 'idle', xid: 0, version: 0, epoch: 0 })),
    instances: Array.from({ length: scenario.instances ?? 2 }, () => ({ ...instance })),
    messages: [],
    evictions: scenario.evictions ?? 0,
    repeats: scenario.repeats ?? 0,
    crashes: scenario.crashes ?? 0,
  };
}

function* withShown(state: CoherenceState, scenario: Scenario): Generator<Step<CoherenceState>> {
  for (const step of allSteps(state, scenario)) {
    for (const instance of step.state.instances) {
      if (!isServed(instance, scenario)) continue;
      // One that went back stays to be found.
      instance.shown = Math.max(instance.shown, instance.entry!.version);
    }
    yield step;
  }
}

function* allSteps(state: CoherenceState, scenario: Scenario): Generator<Step<CoherenceState>> {
  for (const writer of state.writers.keys()) yield* writerSteps(state, writer, scenario);
  for (const at of state.instances.keys()) yield* instanceSteps(state, at, scenario);
  if (state.epoch < (scenario.failovers ?? 0)) {
    const { length } = state.logs[state.epoch]!;
    for (let kept = 0; kept <= length; kept++) {
      const next = copyState(state);
      failOver(next, kept, scenario);
      yield { label: `failover, ${length - kept} commits are lost`, state: next };
    }
  }
  if (scenario.hasClock === true) yield { label: 'tick', state: tick(state) };
}

/** Everything gets one tick older. */
function tick(state: CoherenceState): CoherenceState {
  const older = (time: number): number => Math.max(0, time - 1);
  const next = copyState(state);
  next.logs = next.logs.map((log) => log.map((each) => ({ ...each, time: older(each.time) })));
  for (const instance of next.instances) {
    for (const query of [instance.fill, instance.poll]) {
      if (query !== undefined) query.startedAt = older(query.startedAt);
    }
    for (const held of [instance, instance.entry]) if (held !== undefined) held.confirmedAt = older(held.confirmedAt);
  }
  return next;
}

function findWrong(state: CoherenceState, scenario: Scenario): string | undefined {
  const left = state.logs[state.epoch]!.findIndex(({ writer }) => scenario.writers[writer]!.kind === 'leave');
  const sent = state.logs[state.epoch]!.findLastIndex(({ writer }) => scenario.writers[writer]!.kind === 'memberSend');
  if (left >= 0 && sent > left) return 'somebody who had left has written';
  for (const [at, instance] of state.instances.entries()) {
    const reason = findWrongAt(state, instance, scenario);
    if (reason !== undefined) return `instance ${at}: ${reason}`;
  }
  return undefined;
}

function findWrongAt(state: CoherenceState, instance: InstanceState, scenario: Scenario): string | undefined {
  const version = versionOf(state, scenario);
  const { entry, fill } = instance;
  if (instance.epoch === state.epoch) {
    const awaited = Math.max(entry?.heardVersion ?? 0, fill?.minVersion ?? 0);
    if (awaited > version) return `waits for version ${awaited}, which nobody has committed`;
  }
  if (entry === undefined || !isServed(instance, scenario)) return undefined;
  const content = contentAt(state, scenario, entry.version, entry.source);
  if (content === undefined) return `version ${entry.version} is served and not committed`;
  if (content !== entry.content) return `what is served as version ${entry.version} is something else`;
  if (entry.version < instance.shown) return `version ${instance.shown} was shown, now ${entry.version} is`;
  if (entry.version < instance.acked) {
    return `version ${instance.acked} was answered to a writer, and ${entry.version} is served`;
  }
  if (isToldAll(state, instance, scenario) && entry.content !== contentAt(state, scenario, version)) {
    return `version ${entry.version} is served for ever, the database is at ${version}`;
  }
  const due = contentOf(state.logs[state.epoch]!.filter(({ time }) => time < NOW - LEASE_TICKS));
  if (hasLeft(due, scenario) && !hasLeft(entry.content, scenario)) {
    return 'somebody who left before the bound reads on';
  }
  if ((due & ~entry.content) !== 0) return `version ${entry.version} is served unmarked past the bound`;
  return undefined;
}

/** Whether nothing more is on its way that could tell the instance of what is committed. */
function isToldAll(state: CoherenceState, instance: InstanceState, { flaw }: Scenario): boolean {
  if (flaw !== 'nothing on reconnect' && flaw !== 'bus only') return instance.isPolled;
  return (
    instance.fill === undefined && state.messages.length === 0 && state.writers.every(({ phase }) => phase === 'done')
  );
}
