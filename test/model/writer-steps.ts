import { copyState, type CoherenceState, type WriterPhase } from './coherence-state.js';
import { commit, contentOf, hasLeft, rollBack, versionOf } from './database-rules.js';
import type { Step } from './explorer.js';
import { dropEntry, hearChange, hearVersion, noticeEpoch } from './instance-rules.js';
import type { Scenario } from './scenario.js';

/** What one writer can do next. */
export function* writerSteps(
  state: CoherenceState,
  writer: number,
  scenario: Scenario,
): Generator<Step<CoherenceState>> {
  const step = (label: string, change: (next: CoherenceState) => void): Step<CoherenceState> => {
    const next = copyState(state);
    change(next);
    return { label: `write ${writer} ${label}`, state: next };
  };
  const { at, mayBreak } = scenario.writers[writer]!;
  const phases: Readonly<Record<WriterPhase, () => Generator<Step<CoherenceState>>>> = {
    *idle() {
      yield step('begins', (next) => begin(next, writer, scenario));
    },
    *open() {
      if (scenario.flaw === 'publish before commit' && at !== 'hand') {
        yield step('is announced before its commit', (next) => announce(next, writer, scenario));
        return;
      }
      yield* commits('open');
    },
    *announced() {
      yield* commits('announced');
    },
    *committed() {
      yield step('is applied, published and answered', (next) => publish(next, writer, scenario));
    },
    *lost() {
      yield step('hears that its connection broke at COMMIT', (next) => hearLost(next, writer, scenario));
    },
    *retrying() {
      yield step('is sent again', (next) => retry(next, writer, scenario));
    },
    *done() {
      // It has committed once, or never will.
    },
  };
  function* commits(phase: WriterPhase): Generator<Step<CoherenceState>> {
    const refused = isRefused(state, writer, scenario);
    if (refused || scenario.hasFailures === true) yield step('rolls back', (next) => rollBack(next, writer));
    if (refused) return;
    yield step('commits', (next) => {
      commit(next, writer, scenario);
      if (phase === 'announced') acknowledge(next, writer, scenario);
    });
    if (mayBreak !== true) return;
    yield step('commits, and nobody is told', (next) => {
      commit(next, writer, scenario);
      next.writers[writer]!.phase = 'lost';
    });
    yield step('does not commit, and nobody is told', (next) => {
      const version = versionOf(next, scenario) + 1;
      next.writers[writer] = { phase: 'lost', xid: 0, version, epoch: next.epoch };
    });
  }
  yield* phases[state.writers[writer]!.phase]();
}

function begin(next: CoherenceState, writer: number, scenario: Scenario): void {
  const { at, kind } = scenario.writers[writer]!;
  if (scenario.flaw === 'membership for writes from the cache' && kind === 'memberSend' && at !== 'hand') {
    const entry = next.instances[at]!.entry;
    if (entry === undefined || hasLeft(entry.content, scenario)) return rollBack(next, writer);
  }
  next.writers[writer] = { phase: 'open', xid: next.nextXid, version: 0, epoch: 0 };
  next.nextXid++;
}

/** Whether the write is refused under the lock. */
function isRefused(state: CoherenceState, writer: number, scenario: Scenario): boolean {
  if (scenario.writers[writer]!.kind !== 'memberSend') return false;
  if (scenario.flaw === 'membership for writes from the cache') return false;
  return hasLeft(contentOf(state.logs[state.epoch]!), scenario);
}

/** Tells of a write as if it had committed. */
function announce(next: CoherenceState, writer: number, scenario: Scenario): void {
  const own = next.writers[writer]!;
  own.phase = 'announced';
  spread(next, writer, versionOf(next, scenario) + 1, next.epoch, scenario);
}

/** Applies what has committed to what is held here, tells the peer, and answers: in this order, without a pause. */
function publish(next: CoherenceState, writer: number, scenario: Scenario): void {
  const { version, epoch } = next.writers[writer]!;
  spread(next, writer, version, epoch, scenario);
  acknowledge(next, writer, scenario);
}

function spread(next: CoherenceState, writer: number, version: number, epoch: number, scenario: Scenario): void {
  const at = placeOf(writer, scenario);
  const own = next.instances[at]!;
  noticeEpoch(own, epoch, scenario);
  hearChange(own, { version, writer }, scenario);
  if (next.instances.length === 1) return;
  next.messages.push({ to: 1 - at, epoch, version, writer });
  sortMessages(next);
}

function acknowledge(next: CoherenceState, writer: number, scenario: Scenario): void {
  const { version, epoch } = next.writers[writer]!;
  const own = next.instances[placeOf(writer, scenario)]!;
  if (epoch === next.epoch) own.acked = Math.max(own.acked, version);
  rollBack(next, writer);
}

/** The outcome is unknown: the entry is forgotten, whatever it was. */
function hearLost(next: CoherenceState, writer: number, scenario: Scenario): void {
  const own = next.instances[placeOf(writer, scenario)]!;
  const { version } = next.writers[writer]!;
  if (scenario.flaw === 'unknown outcome cached') hearChange(own, { version, writer }, scenario);
  else dropEntry(own);
  next.writers[writer] = { phase: 'retrying', xid: 0, version: 0, epoch: 0 };
}

/** A send that finds its client id in the chat changes nothing, and is answered with the version that it saw. */
function retry(next: CoherenceState, writer: number, scenario: Scenario): void {
  const own = next.instances[placeOf(writer, scenario)]!;
  if (next.logs[next.epoch]!.some((each) => each.writer === writer)) {
    const version = versionOf(next, scenario);
    noticeEpoch(own, next.epoch, scenario);
    if (scenario.flaw !== 'replay not heard') hearVersion(own, version, scenario);
    own.acked = Math.max(own.acked, version);
  }
  rollBack(next, writer);
}

/** Messages have no order. */
function sortMessages(next: CoherenceState): void {
  next.messages.sort(
    (one, other) =>
      one.to - other.to || one.epoch - other.epoch || one.version - other.version || one.writer - other.writer,
  );
}

function placeOf(writer: number, scenario: Scenario): 0 | 1 {
  const { at } = scenario.writers[writer]!;
  if (at === 'hand') throw new Error('An edit by hand goes through no instance.');
  return at;
}
