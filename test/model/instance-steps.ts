import { copyState, type CoherenceState, type FillState, type InstanceState } from './coherence-state.js';
import { contentAt, rollBack, snapshotXmin, versionOf } from './database-rules.js';
import type { Step } from './explorer.js';
import {
  adoptEpoch,
  applyJournal,
  dropEntry,
  hearChange,
  hearVersion,
  install,
  isCurrentEnough,
  isServed,
  noticeEpoch,
} from './instance-rules.js';
import { NOW, type Scenario } from './scenario.js';

/** What can happen at one instance: reads, their fills, the poll, messages of the bus, eviction, a crash. */
export function* instanceSteps(state: CoherenceState, at: number, scenario: Scenario): Generator<Step<CoherenceState>> {
  const instance = state.instances[at]!;
  const step = (label: string, change: (own: InstanceState, next: CoherenceState) => void): Step<CoherenceState> => {
    const next = copyState(state);
    change(next.instances[at]!, next);
    return { label: `instance ${at}: ${label}`, state: next };
  };
  const { entry, fill, poll } = instance;
  if (fill === undefined && !isServed(instance, scenario)) {
    yield step('a reader sends a fill', (own) => sendFill(own, 'fill', 0));
    const isSuspect = entry !== undefined && entry.version >= entry.heardVersion;
    if (isSuspect) yield step('a reader asks for the version', (own) => sendFill(own, 'check', 0));
  }
  if (scenario.hasTokens === true) {
    const token = versionOf(state, scenario);
    const isMet = isServed(instance, scenario) && entry!.version >= token;
    if (!isMet && fill === undefined) {
      yield step(`a reader with token ${token} sends a fill`, (own) => sendFill(own, 'fill', token));
    } else if (!isMet && fill!.token < token) {
      yield step(`a reader with token ${token} joins the fill`, (own) => {
        own.fill!.token = token;
        if (scenario.flaw === 'token does not raise the minimum') return;
        own.fill!.minVersion = Math.max(own.fill!.minVersion, token);
      });
    }
  }
  if (fill !== undefined) {
    if (fill.phase !== 'answered') {
      yield step('the database answers the fill', (own, next) => answerFill(own.fill!, next, scenario));
    } else {
      yield endFill(state, at, scenario);
    }
    if (scenario.hasFailures === true) yield step('the fill fails', (own) => (own.fill = undefined));
  }
  if (scenario.flaw !== 'nothing on reconnect' && scenario.flaw !== 'bus only') {
    if (poll === undefined) {
      yield step('polls', (own, next) => {
        own.poll = { isAnswered: false, startedAt: NOW, version: 0, horizon: 0, source: 0, isUpToDate: false };
        if (scenario.hasSlowPolls === true) return;
        answerPoll(own, next, scenario);
        endPoll(own, scenario);
      });
    } else {
      if (poll.isAnswered) yield step('handles the poll', (own) => endPoll(own, scenario));
      else yield step('the database answers the poll', (own, next) => answerPoll(own, next, scenario));
      if (scenario.hasFailures === true) yield step('the poll fails', (own) => (own.poll = undefined));
    }
  }
  for (const [index, message] of state.messages.entries()) {
    if (message.to !== at) continue;
    const { version, epoch } = message;
    const deliver = (own: InstanceState): void => {
      if (epoch === own.epoch || scenario.flaw === 'no epoch') hearChange(own, message, scenario);
    };
    yield step(`hears of version ${version}`, (own, next) => {
      next.messages.splice(index, 1);
      deliver(own);
    });
    if (state.repeats > 0) {
      yield step(`hears of version ${version}, not for the last time`, (own, next) => {
        next.repeats--;
        deliver(own);
      });
    }
    if (scenario.isLossy === true) {
      yield step(`never hears of version ${version}`, (_own, next) => next.messages.splice(index, 1));
    }
  }
  if (entry !== undefined && state.evictions > 0) {
    yield step('evicts the chat', (own, next) => {
      next.evictions--;
      dropEntry(own);
    });
  }
  if (scenario.forgetsEarly === true && instance.early.length > 0) {
    yield step('has no room for early changes', (own) => (own.early = []));
  }
  if (state.crashes > 0) yield step('is killed and starts again', (_own, next) => crash(next, at, scenario));
}

function sendFill(own: InstanceState, kind: FillState['kind'], token: number): void {
  own.fill = {
    kind,
    phase: 'sent',
    startedAt: NOW,
    version: 0,
    content: 0,
    source: 0,
    minVersion: Math.max(own.entry?.heardVersion ?? 0, token),
    journal: [],
    token,
  };
}

function answerFill(fill: FillState, next: CoherenceState, scenario: Scenario): void {
  const version = versionOf(next, scenario);
  if (fill.phase === 'sent') fill.content = contentAt(next, scenario, version)!;
  fill.source = next.epoch;
  if (scenario.flaw === 'two-statement fill' && fill.phase === 'sent') {
    fill.phase = 'halfway';
    return;
  }
  fill.version = version;
  fill.phase = 'answered';
  // What it has read already makes no difference any more.
  fill.journal = fill.journal.filter((heard) => heard.version > version);
  if (fill.minVersion <= version) fill.minVersion = 0;
}

function endFill(state: CoherenceState, at: number, scenario: Scenario): Step<CoherenceState> {
  const next = copyState(state);
  const own = next.instances[at]!;
  const fill = own.fill!;
  const label = (what: string): string => `instance ${at}: ${what}`;
  const keepsOldFills = scenario.flaw === 'epoch keeps fills in flight';
  if (!keepsOldFills && scenario.flaw !== 'no epoch') {
    noticeEpoch(own, fill.source, scenario);
    if (own.fill === undefined) return { label: label('the fill tells of another epoch'), state: next };
  }
  if (fill.kind === 'check') {
    own.fill = undefined;
    hearVersion(own, fill.version, scenario);
    const { entry } = own;
    if (entry !== undefined && entry.version === fill.version) entry.confirmedAt = fill.startedAt;
    return { label: label(`the version is ${fill.version}`), state: next };
  }
  applyJournal(fill);
  const isCurrent = isCurrentEnough(fill, scenario);
  if (!isCurrent && scenario.flaw !== 'joining an old flight') {
    own.fill = { ...fill, phase: 'sent', startedAt: NOW, version: 0, content: 0, source: 0 };
    return { label: label(`the fill is at ${fill.version}, too old, and reads again`), state: next };
  }
  own.fill = undefined;
  if (isCurrent) install(own, fill, scenario);
  const version = Math.max(fill.version, isCurrent ? own.entry!.version : 0);
  return {
    label: label(`the fill answers with version ${version}`),
    state: next,
    wrongAnswer: wrongAnswer(version, fill, state.instances[at]!),
  };
}

/** Readers may have joined a fill up to the moment at which it answers. */
function wrongAnswer(version: number, { token }: FillState, { acked, shown }: InstanceState): string | undefined {
  if (version < token) return `a reader with Min-Chat-Version ${token} is given ${version}`;
  if (version < acked) return `version ${acked} was answered to a writer, and a later reader is given ${version}`;
  if (version < shown) return `version ${shown} was shown, and a later reader is given ${version}`;
  return undefined;
}

function answerPoll(own: InstanceState, next: CoherenceState, scenario: Scenario): void {
  const poll = own.poll!;
  const { horizon } = own;
  const byId = scenario.flaw === 'cursor by id';
  const isSeen = horizon !== undefined && next.headXid >= horizon;
  poll.isAnswered = true;
  poll.version = isSeen ? versionOf(next, scenario) : 0;
  poll.horizon = byId ? Math.max(horizon ?? 0, next.headXid + 1) : snapshotXmin(next);
  poll.source = next.epoch;
  poll.isUpToDate = true;
}

/** The first poll of an epoch does not say what has changed, so that what was read before it is dropped. */
function endPoll(own: InstanceState, scenario: Scenario): void {
  const poll = own.poll!;
  adoptEpoch(own, poll.source, scenario);
  if (own.horizon === undefined) {
    dropEntry(own);
    if (scenario.flaw !== 'epoch keeps fills in flight') own.fill = undefined;
  }
  if (poll.version > 0) hearVersion(own, poll.version, scenario);
  own.horizon = poll.horizon;
  own.poll = undefined;
  own.isPolled = poll.isUpToDate;
  own.confirmedAt = scenario.flaw === 'lease from the end of the poll' ? NOW : poll.startedAt;
}

function crash(next: CoherenceState, at: number, scenario: Scenario): void {
  next.crashes--;
  const own = next.instances[at]!;
  next.instances[at] = {
    ...own,
    epoch: next.epoch,
    horizon: undefined,
    confirmedAt: 0,
    entry: undefined,
    early: [],
    fill: undefined,
    poll: undefined,
    isPolled: false,
  };
  for (const [writer, { phase }] of next.writers.entries()) {
    if (scenario.writers[writer]!.at === at && phase !== 'idle') rollBack(next, writer);
  }
}
