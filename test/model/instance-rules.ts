import type { EntryState, FillState, Heard, InstanceState } from './coherence-state.js';
import { LEASE_TICKS, NOW, type Scenario } from './scenario.js';

/** Whether an entry may be served without asking anybody and without a mark. */
export function isServed(instance: InstanceState, { flaw, hasClock }: Scenario): boolean {
  const { entry } = instance;
  if (entry === undefined) return false;
  if (entry.version < entry.heardVersion && flaw !== 'entry served below what was heard') return false;
  if (hasClock !== true || flaw === 'no lease') return true;
  return NOW - Math.max(instance.confirmedAt, entry.confirmedAt) <= LEASE_TICKS;
}

/** Learns of a committed change, from an own commit or from a peer. */
export function hearChange(instance: InstanceState, heard: Heard, { flaw }: Scenario): void {
  const { entry, fill } = instance;
  const isForgotten = flaw === 'minimum only for what is held' && entry === undefined;
  if (fill !== undefined && !isForgotten && flaw !== 'no minimum in flight') {
    fill.minVersion = Math.max(fill.minVersion, heard.version);
    fill.journal = withChange(fill.journal, heard);
  }
  if (entry === undefined) return;
  if (flaw === 'apply without version check') {
    entry.version = heard.version;
    entry.heardVersion = heard.version;
    entry.content |= 1 << heard.writer;
    return;
  }
  if (heard.version <= entry.version) return;
  entry.heardVersion = Math.max(entry.heardVersion, heard.version);
  instance.early = withChange(instance.early, heard);
  applyEarly(instance, entry);
}

/** Learns that a version exists, and not what changed. */
export function hearVersion(instance: InstanceState, version: number, { flaw }: Scenario): void {
  const { entry, fill } = instance;
  if (fill !== undefined && flaw !== 'no minimum in flight') fill.minVersion = Math.max(fill.minVersion, version);
  if (entry !== undefined) entry.heardVersion = Math.max(entry.heardVersion, version);
}

/** Brings what a fill has read up to date with what was heard meanwhile. */
export function applyJournal(fill: FillState): void {
  for (const { version, writer } of fill.journal) {
    if (version !== fill.version + 1) continue;
    fill.version = version;
    fill.content |= 1 << writer;
  }
}

/** Whether what a fill has read may be kept and handed out. */
export function isCurrentEnough(fill: FillState, { flaw }: Scenario): boolean {
  if (flaw === 'naive install') return true;
  if (flaw === 'absent chat forgotten during a fill' && fill.version === 0) return true;
  return fill.version >= fill.minVersion;
}

/** Keeps what a fill has read, unless what is held is as new. Early changes of what was held go on to it. */
export function install(instance: InstanceState, fill: FillState, { flaw }: Scenario): void {
  const { entry } = instance;
  if (entry !== undefined && flaw !== 'naive install' && entry.version >= fill.version) {
    // As new as the database was when it was asked, and all that is heard of since raises heardVersion by itself.
    if (entry.version === fill.version) entry.confirmedAt = Math.max(entry.confirmedAt, fill.startedAt);
    return;
  }
  const installed: EntryState = {
    version: fill.version,
    content: fill.content,
    source: fill.source,
    heardVersion: Math.max(fill.version, entry?.heardVersion ?? 0),
    confirmedAt: fill.startedAt,
  };
  applyEarly(instance, installed);
  instance.entry = installed;
}

/** Forgets the entry and what waits for it. */
export function dropEntry(instance: InstanceState): void {
  instance.entry = undefined;
  instance.early = [];
}

/**
 * Goes over to another epoch of the database: everything of the one before is dropped, fills and polls in flight too.
 * Transaction ids may run backwards as well, so the next poll begins anew.
 */
export function adoptEpoch(instance: InstanceState, epoch: number, { flaw }: Scenario): void {
  if (flaw === 'no epoch' || instance.epoch === epoch) return;
  const { early, fill } = instance;
  dropEntry(instance);
  instance.epoch = epoch;
  instance.fill = undefined;
  instance.poll = undefined;
  instance.horizon = flaw === 'epoch keeps the horizon' ? instance.horizon : undefined;
  instance.shown = 0;
  if (flaw === 'epoch keeps early changes') instance.early = early;
  if (flaw === 'epoch keeps fills in flight') instance.fill = fill;
}

/** Learns of the epoch from the answer to a statement: every new connection asks for it before it is used. */
export function noticeEpoch(instance: InstanceState, epoch: number, scenario: Scenario): void {
  if (scenario.flaw !== 'epoch learned by the poll alone') adoptEpoch(instance, epoch, scenario);
}

function applyEarly(instance: InstanceState, entry: EntryState): void {
  for (const { version, writer } of instance.early) {
    if (version !== entry.version + 1) continue;
    entry.version = version;
    entry.content |= 1 << writer;
  }
  instance.early = instance.early.filter(({ version }) => version > entry.version);
}

/** Ascending, each version once. */
function withChange(changes: readonly Heard[], heard: Heard): Heard[] {
  if (changes.some(({ version }) => version === heard.version)) return changes as Heard[];
  return [...changes, heard].sort((one, other) => one.version - other.version);
}
