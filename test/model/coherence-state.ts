/** Where a write stands. `lost`: the connection broke at COMMIT, so its instance does not know what became of it. */
export type WriterPhase = 'idle' | 'announced' | 'open' | 'committed' | 'lost' | 'retrying' | 'done';

/** One write: it commits at most once. */
export interface WriterState {
  phase: WriterPhase;
  /** Transaction id; they are given out when transactions begin, and commit in any order. */
  xid: number;
  /** The version that it committed, 0 before. */
  version: number;
  /** Epoch of the database in which it committed. */
  epoch: number;
}

/** A committed change in the history of the database. */
export interface Commit {
  readonly writer: number;
  readonly xid: number;
  readonly time: number;
}

/** What peers are told of a commit, and instances remember that heard it too early. */
export interface Heard {
  readonly version: number;
  readonly writer: number;
}

/** What an instance holds of the chat. Content is the set of writes in it, as bits: two that are equal are the same. */
export interface EntryState {
  version: number;
  content: number;
  /** Epoch that the content is from: for the check only, no instance looks at it. */
  source: number;
  /** Highest version that exists, as far as the entry has been told. Below it nothing is served. */
  heardVersion: number;
  /** Start of the last query that said that the entry is current. */
  confirmedAt: number;
}

/** A query for the chat on its way. `check` asks for the version alone. */
export interface FillState {
  kind: 'fill' | 'check';
  /** `halfway` is for those who read the rows in one statement and the version in a second. */
  phase: 'sent' | 'halfway' | 'answered';
  startedAt: number;
  version: number;
  content: number;
  /** Epoch of the database that answered. */
  source: number;
  minVersion: number;
  journal: Heard[];
  /** Highest `Min-Chat-Version` of those who wait. */
  token: number;
}

/** A look at what has changed, on its way. */
export interface PollState {
  isAnswered: boolean;
  startedAt: number;
  /** Version of the chat if it was among what has changed, 0 if not. */
  version: number;
  horizon: number;
  source: number;
  /** Whether nothing has been committed since it was answered. */
  isUpToDate: boolean;
}

/** One instance. */
export interface InstanceState {
  /** Epoch that it believes the database to be in. */
  epoch: number;
  /** Where the next poll begins, `undefined` when the epoch has not had one. */
  horizon: number | undefined;
  /** Start of the last good poll. */
  confirmedAt: number;
  entry: EntryState | undefined;
  /** Changes that came too early for the entry. */
  early: Heard[];
  fill: FillState | undefined;
  poll: PollState | undefined;
  /** Whether a poll has told it everything that is committed. */
  isPolled: boolean;
  /** Highest version that a write on this instance was answered with. */
  acked: number;
  /** Highest version that could be read here without waiting. */
  shown: number;
}

/** A message of the bus. */
export interface BusMessage extends Heard {
  readonly to: number;
  readonly epoch: number;
}

/** Everything there is: the database, the bus, the writes and the instances. */
export interface CoherenceState {
  /** Number of failovers so far. */
  epoch: number;
  /** Histories of the chat, one per epoch. */
  logs: Commit[][];
  nextXid: number;
  /** `changed_xid` of the chat's head. */
  headXid: number;
  writers: WriterState[];
  instances: InstanceState[];
  messages: BusMessage[];
  /** How often these may still happen. */
  evictions: number;
  repeats: number;
  crashes: number;
}

/**
 * A copy that shares only what is never changed in place. Written out, since it is made for every step and spreading
 * takes several times as long.
 */
export function copyState(state: CoherenceState): CoherenceState {
  return {
    epoch: state.epoch,
    logs: state.logs.map((log) => log.slice()),
    nextXid: state.nextXid,
    headXid: state.headXid,
    writers: state.writers.map(copyWriter),
    instances: state.instances.map(copyInstance),
    messages: state.messages.slice(),
    evictions: state.evictions,
    repeats: state.repeats,
    crashes: state.crashes,
  };
}

function copyWriter({ phase, xid, version, epoch }: WriterState): WriterState {
  return { phase, xid, version, epoch };
}

function copyInstance(instance: InstanceState): InstanceState {
  const { epoch, horizon, confirmedAt, entry, early, fill, poll, isPolled, acked, shown } = instance;
  return {
    epoch,
    horizon,
    confirmedAt,
    entry: entry === undefined ? undefined : copyEntry(entry),
    early,
    fill: fill === undefined ? undefined : copyFill(fill),
    poll: poll === undefined ? undefined : { ...poll },
    isPolled,
    acked,
    shown,
  };
}

function copyEntry({ version, content, source, heardVersion, confirmedAt }: EntryState): EntryState {
  return { version, content, source, heardVersion, confirmedAt };
}

function copyFill(fill: FillState): FillState {
  const { kind, phase, startedAt, version, content, source, minVersion, journal, token } = fill;
  return { kind, phase, startedAt, version, content, source, minVersion, journal, token };
}

const PHASES: readonly WriterPhase[] = ['idle', 'announced', 'open', 'committed', 'lost', 'retrying', 'done'];
const FILL_PHASES: readonly FillState['phase'][] = ['sent', 'halfway', 'answered'];

/** All numbers of a state in a fixed order, one character each: exact, no hash, and short enough for a million of them. */
export function stateKey(state: CoherenceState): string {
  const numbers: number[] = [state.epoch, state.nextXid, state.headXid];
  numbers.push(state.evictions, state.repeats, state.crashes);
  for (const log of state.logs) {
    numbers.push(log.length);
    for (const { writer, xid, time } of log) numbers.push(writer, xid, time);
  }
  for (const writer of state.writers) {
    numbers.push(PHASES.indexOf(writer.phase), writer.xid, writer.version, writer.epoch);
  }
  for (const { to, epoch, version, writer } of state.messages) numbers.push(to, epoch, version, writer);
  for (const instance of state.instances) pushInstance(numbers, instance);
  return String.fromCharCode(...numbers);
}

function pushInstance(numbers: number[], instance: InstanceState): void {
  const { entry, fill, poll } = instance;
  numbers.push(200, instance.epoch, (instance.horizon ?? -1) + 1, instance.confirmedAt);
  numbers.push(Number(instance.isPolled), instance.acked, instance.shown);
  if (entry !== undefined) {
    numbers.push(201, entry.version, entry.content, entry.source, entry.heardVersion, entry.confirmedAt);
  }
  for (const { version, writer } of instance.early) numbers.push(204, version, writer);
  if (fill !== undefined) {
    numbers.push(202, Number(fill.kind === 'check'), FILL_PHASES.indexOf(fill.phase), fill.startedAt, fill.version);
    numbers.push(fill.content, fill.source, fill.minVersion, fill.token);
    for (const { version, writer } of fill.journal) numbers.push(version, writer);
  }
  if (poll !== undefined) {
    numbers.push(203, Number(poll.isAnswered), poll.startedAt, poll.version, poll.horizon, poll.source);
    numbers.push(Number(poll.isUpToDate));
  }
}
