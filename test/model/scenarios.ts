import type { Flaw, Scenario, WriterPlan } from './scenario.js';

const SEND_AT_0: WriterPlan = { at: 0, kind: 'send' };
const SEND_AT_1: WriterPlan = { at: 1, kind: 'send' };
const UNKNOWN_AT_0: WriterPlan = { at: 0, kind: 'send', mayBreak: true };
const UNKNOWN_AT_1: WriterPlan = { at: 1, kind: 'send', mayBreak: true };
const BY_HAND: WriterPlan = { at: 'hand', kind: 'send' };
const LEAVE_BY_HAND: WriterPlan = { at: 'hand', kind: 'leave' };
const LEAVE_AT_1: WriterPlan = { at: 1, kind: 'leave' };
const MEMBER_SENDS_AT_0: WriterPlan = { at: 0, kind: 'memberSend' };

/** Small worlds, each about one thing, that together have all actions: searched in full by every run of the tests. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'two writers', writers: [SEND_AT_0, SEND_AT_1] },
  { name: 'changes that come too early', writers: [SEND_AT_0, SEND_AT_0], forgetsEarly: true },
  { name: 'a chat that is created', writers: [SEND_AT_0, BY_HAND], startsAbsent: true },
  {
    name: 'an edit by hand, eviction, messages that come twice',
    writers: [SEND_AT_0, BY_HAND],
    evictions: 1,
    repeats: 1,
  },
  { name: 'slow polls and errors', instances: 1, writers: [BY_HAND, SEND_AT_0], hasSlowPolls: true, hasFailures: true },
  { name: 'readers with tokens', instances: 1, writers: [SEND_AT_0, BY_HAND], hasTokens: true, evictions: 1 },
  { name: 'unknown outcomes', writers: [UNKNOWN_AT_0, BY_HAND] },
  { name: 'an instance that is killed', writers: [SEND_AT_0, BY_HAND], crashes: 1 },
  { name: 'a failover that loses commits', writers: [BY_HAND, BY_HAND], failovers: 1 },
  { name: 'writes around a failover', instances: 1, writers: [SEND_AT_0, SEND_AT_0], failovers: 1 },
  { name: 'the lease', instances: 1, writers: [LEAVE_BY_HAND], hasClock: true, hasSlowPolls: true, evictions: 1 },
  { name: 'a member who leaves and writes', writers: [LEAVE_AT_1, MEMBER_SENDS_AT_0] },
];

/** Larger worlds, for minutes and gigabytes: `npm run model -- --larger`. */
export const LARGER_SCENARIOS: readonly Scenario[] = [
  { name: 'two writers, eviction, repeats', writers: [SEND_AT_0, SEND_AT_1], evictions: 1, repeats: 1 },
  { name: 'three writers', writers: [SEND_AT_0, SEND_AT_0, SEND_AT_1] },
  { name: 'two unknown outcomes', writers: [UNKNOWN_AT_0, UNKNOWN_AT_1] },
  { name: 'killed between two writes', writers: [SEND_AT_0, SEND_AT_1], crashes: 1 },
  { name: 'tokens at two instances', writers: [SEND_AT_0, SEND_AT_1], hasTokens: true },
  { name: 'a failover under two writers', writers: [SEND_AT_0, BY_HAND], failovers: 1 },
  { name: 'two failovers', instances: 1, writers: [SEND_AT_0, BY_HAND], failovers: 2 },
  {
    name: 'the lease under two writers',
    instances: 1,
    writers: [LEAVE_BY_HAND, SEND_AT_0],
    hasClock: true,
    hasSlowPolls: true,
  },
];

/** A flaw with the smallest world that shows it, and what is seen there. */
export interface FlawedScenario extends Scenario {
  readonly flaw: Flaw;
  /** What the search must say. */
  readonly reason: RegExp;
}

const FOR_EVER = /is served for ever/;
const OWN_WRITE = /was answered to a writer/;
const WRONG_CONTENT = /is something else/;
const NEVER_COMMITTED = /nobody has committed/;
const PAST_BOUND = /served unmarked past the bound/;

function flawed(flaw: Flaw, reason: RegExp, world: Omit<Scenario, 'name' | 'flaw'>): FlawedScenario {
  return { name: flaw, flaw, reason, ...world };
}

/** Every flaw. The same worlds without it have to pass. */
export const FLAWED_SCENARIOS: readonly FlawedScenario[] = [
  flawed('naive install', FOR_EVER, { writers: [SEND_AT_0] }),
  flawed('no minimum in flight', OWN_WRITE, { writers: [SEND_AT_0] }),
  flawed('minimum only for what is held', OWN_WRITE, { writers: [SEND_AT_0] }),
  flawed('absent chat forgotten during a fill', FOR_EVER, { writers: [SEND_AT_0], startsAbsent: true }),
  flawed('joining an old flight', OWN_WRITE, { writers: [SEND_AT_0, SEND_AT_1] }),
  flawed('token does not raise the minimum', /Min-Chat-Version/, { writers: [BY_HAND], hasTokens: true }),
  flawed('two-statement fill', WRONG_CONTENT, { writers: [SEND_AT_0] }),
  flawed('cursor by id', FOR_EVER, { writers: [BY_HAND, BY_HAND] }),
  flawed('publish before commit', NEVER_COMMITTED, { writers: [SEND_AT_0] }),
  flawed('apply without version check', WRONG_CONTENT, { writers: [SEND_AT_0, SEND_AT_0] }),
  flawed('entry served below what was heard', FOR_EVER, { writers: [BY_HAND] }),
  flawed('nothing on reconnect', FOR_EVER, { writers: [SEND_AT_0], isLossy: true }),
  flawed('bus only', FOR_EVER, { writers: [BY_HAND] }),
  flawed('hand edit leaves no trace', FOR_EVER, { writers: [BY_HAND] }),
  flawed('unknown outcome cached', NEVER_COMMITTED, { writers: [UNKNOWN_AT_0] }),
  flawed('replay not heard', OWN_WRITE, { writers: [UNKNOWN_AT_0] }),
  flawed('no epoch', FOR_EVER, { instances: 1, writers: [BY_HAND, BY_HAND], failovers: 1 }),
  flawed('epoch learned by the poll alone', NEVER_COMMITTED, {
    instances: 1,
    writers: [SEND_AT_0, SEND_AT_0],
    failovers: 1,
  }),
  flawed('epoch keeps fills in flight', NEVER_COMMITTED, { instances: 1, writers: [BY_HAND, BY_HAND], failovers: 1 }),
  flawed('epoch keeps early changes', /is served and not committed/, {
    instances: 1,
    writers: [SEND_AT_0, SEND_AT_0, BY_HAND],
    failovers: 1,
  }),
  flawed('epoch keeps the horizon', FOR_EVER, { instances: 1, writers: [BY_HAND, BY_HAND], failovers: 1 }),
  flawed('no lease', PAST_BOUND, { instances: 1, writers: [BY_HAND], hasClock: true }),
  flawed('lease from the end of the poll', PAST_BOUND, {
    instances: 1,
    writers: [BY_HAND],
    hasClock: true,
    hasSlowPolls: true,
  }),
  flawed('membership for writes from the cache', /who had left has written/, {
    writers: [LEAVE_AT_1, MEMBER_SENDS_AT_0],
  }),
];
