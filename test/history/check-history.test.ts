import { describe, expect, it } from '@jest/globals';
import { Findings, type Violation } from '../faults/findings.js';
import { checkHistory } from './check-history.js';
import type { ChatAtEnd, History, HistoryRead, HistorySend, HistoryWrite } from './history.js';

const CHAT = 'c';
const BOUND_MS = 100;

/** A read by client 1 that takes 10 ms. */
function read(instance: number, invokedMs: number, version: number, more: Partial<HistoryRead> = {}): HistoryRead {
  const chatId = CHAT;
  const returnedMs = invokedMs + 10;
  const facts = new Map<string, string>();
  return {
    kind: 'page',
    client: 1,
    instance,
    chatId,
    invokedMs,
    returnedMs,
    version,
    facts,
    isStale: false,
    minVersion: undefined,
    ...more,
  };
}

/** A message by client 0 that takes 10 ms; message n is sent in version n. */
function write(
  instance: number | undefined,
  invokedMs: number,
  version: number,
  more: Partial<HistoryWrite> = {},
): HistoryWrite {
  const returnedMs = invokedMs + 10;
  const facts = new Map([[`message ${version}`, `text ${version}`]]);
  return {
    kind: 'send',
    client: 0,
    instance,
    chatId: CHAT,
    invokedMs,
    returnedMs,
    version,
    facts,
    raises: true,
    ...more,
  };
}

const send = (seq: number, more: Partial<HistorySend> = {}): HistorySend => ({
  chatId: CHAT,
  senderId: 'ann',
  clientId: `id ${seq}`,
  texts: [`text ${seq}`],
  isDeleted: false,
  seq,
  ...more,
});

const row = (seq: number): ChatAtEnd['rows'][number] => ({
  seq,
  version: seq,
  senderId: 'ann',
  clientId: `id ${seq}`,
  text: `text ${seq}`,
});

const chatAtEnd = (more: Partial<ChatAtEnd> = {}): ChatAtEnd => ({
  chatId: CHAT,
  version: 3,
  lastSeq: 3,
  facts: new Map([1, 2, 3].map((seq) => [`message ${seq}`, { version: seq, value: `text ${seq}` }])),
  rows: [row(1), row(2), row(3)],
  ...more,
});

/** Three messages: one at each of two instances, one by hand and read within the bound. */
function goodHistory(): { -readonly [Key in keyof History]: History[Key] } {
  return {
    boundMs: BOUND_MS,
    writes: [write(0, 0, 1), write(1, 100, 2), write(undefined, 200, 3)],
    reads: [
      read(0, 20, 1, { facts: new Map([['message 1', 'text 1']]) }),
      read(0, 150, 1),
      read(1, 150, 2),
      read(0, 220, 3, { minVersion: 3 }),
      read(1, 220, 2),
      read(1, 400, 2, { isStale: true }),
      read(1, 500, 3),
    ],
    sends: [send(1), send(2), send(3)],
    chats: [chatAtEnd()],
  };
}

function violationsOf(history: History): readonly Violation[] {
  const findings = new Findings();
  checkHistory(history, findings);
  return findings.violations;
}

/** What may go wrong, and the rule that must notice. The good history has nothing of it. */
const PLANTS: readonly {
  readonly what: string;
  readonly rule: string;
  /** Rules that are broken with it. */
  readonly also?: readonly string[];
  readonly plant: Partial<History>;
}[] = [
  {
    what: 'a read that does not show what the same instance has acknowledged',
    rule: 'one instance never goes back',
    plant: { reads: [read(1, 115, 1)] },
  },
  {
    what: 'a read older than an earlier read of the same instance, within the bound',
    rule: 'one instance never goes back',
    plant: { reads: [read(0, 120, 2), read(0, 140, 1)] },
  },
  {
    what: 'a stale-marked read older than an earlier read of the same instance',
    rule: 'one instance never goes back',
    plant: { reads: [read(0, 120, 2), read(0, 400, 1, { isStale: true })] },
  },
  {
    what: 'an answer beyond the bound that does not say so',
    rule: 'staleness bound',
    plant: { reads: [read(0, 211, 1)] },
  },
  {
    what: 'an edit by hand that is not shown within the bound',
    rule: 'staleness bound',
    plant: { reads: [read(0, 311, 2)] },
  },
  {
    what: 'a read beyond the bound after another instance has told more',
    rule: 'staleness bound',
    plant: { writes: [write(0, 0, 1, { returnedMs: 5 })], reads: [read(0, 20, 3), read(1, 131, 2)] },
  },
  {
    what: 'an answer older than the token',
    rule: 'tokens',
    plant: { reads: [read(0, 120, 1, { minVersion: 2 })] },
  },
  {
    what: 'a stale-marked answer older than the token',
    rule: 'tokens',
    plant: { reads: [read(0, 120, 1, { minVersion: 2, isStale: true })] },
  },
  {
    what: 'a version that is told before its write begins',
    rule: 'nothing from the future',
    plant: { reads: [read(0, 50, 2)] },
  },
  {
    what: 'two writes that have made the same version',
    rule: 'versions are given out once',
    plant: { writes: [write(0, 0, 1), write(1, 5, 1)] },
  },
  {
    what: 'a version that the database does not have',
    rule: 'last version',
    plant: { reads: [read(0, 600, 4)] },
  },
  {
    what: 'two states of one version',
    rule: 'one version, one state',
    plant: {
      reads: [
        read(0, 300, 3, { facts: new Map([['participant ann', 'member']]) }),
        read(1, 300, 3, { facts: new Map([['participant ann', 'owner']]) }),
      ],
    },
  },
  {
    what: 'an acknowledgement that is not what readers of its version are told',
    rule: 'one version, one state',
    also: ['state at the end'],
    plant: { reads: [read(1, 150, 2, { facts: new Map([['message 2', 'text 1']]) })] },
  },
  {
    what: 'an old state with a new version',
    rule: 'state at the end',
    plant: { reads: [read(0, 300, 3, { facts: new Map([['message 2', 'before its edit']]) })] },
  },
  {
    what: 'an acknowledged message that is gone',
    rule: 'acknowledged sends',
    plant: { chats: [chatAtEnd({ lastSeq: 2, rows: [row(1), row(2)] })] },
  },
  {
    what: 'an acknowledged message in another place',
    rule: 'acknowledged sends',
    plant: { sends: [send(1), send(2, { seq: 3 }), send(3)] },
  },
  {
    what: 'a message that is there twice',
    rule: 'exactly once',
    plant: {
      chats: [chatAtEnd({ lastSeq: 4, version: 4, rows: [row(1), row(2), row(3), { ...row(3), seq: 4, version: 4 }] })],
    },
  },
  {
    what: 'an unacknowledged message that is there twice',
    rule: 'exactly once',
    plant: {
      sends: [send(1), send(2), send(3, { seq: undefined })],
      chats: [chatAtEnd({ lastSeq: 4, version: 4, rows: [row(1), row(2), row(3), { ...row(3), seq: 4, version: 4 }] })],
    },
  },
  {
    what: 'a message inserted by hand that is there twice',
    rule: 'exactly once',
    plant: {
      sends: [send(1), send(2), send(3, { clientId: undefined, seq: undefined })],
      chats: [
        chatAtEnd({
          lastSeq: 4,
          version: 4,
          rows: [
            row(1),
            row(2),
            { ...row(3), clientId: undefined },
            { ...row(3), clientId: undefined, seq: 4, version: 4 },
          ],
        }),
      ],
    },
  },
  {
    what: 'a message that nobody has sent',
    rule: 'rows that were sent',
    plant: { sends: [send(1), send(2)] },
  },
  {
    what: 'a text that nobody has written',
    rule: 'texts',
    plant: { chats: [chatAtEnd({ rows: [row(1), row(2), { ...row(3), text: 'altered' }] })] },
  },
  {
    what: 'a message deleted by nobody',
    rule: 'texts',
    plant: { chats: [chatAtEnd({ rows: [row(1), row(2), { ...row(3), text: undefined }] })] },
  },
  {
    what: 'a hole in the line',
    rule: 'lines without holes',
    plant: { sends: [send(1), send(3)], chats: [chatAtEnd({ rows: [row(1), row(3)] })] },
  },
  {
    what: 'two messages of one version',
    rule: 'lines without holes',
    plant: { chats: [chatAtEnd({ rows: [row(1), row(2), { ...row(3), version: 2 }] })] },
  },
  {
    what: 'a message newer than its chat',
    rule: 'lines without holes',
    plant: { chats: [chatAtEnd({ rows: [row(1), row(2), { ...row(3), version: 4 }] })] },
  },
  {
    what: 'a chat that is not there any more',
    rule: 'chats',
    plant: { chats: [] },
  },
];

describe('the history checker', () => {
  it('accepts a history that keeps all promises', () => {
    expect(violationsOf(goodHistory())).toEqual([]);
  });

  it('accepts messages that were begun and are there, or are not, and counts them neither way', () => {
    const history = goodHistory();
    history.sends = [send(1), send(2), send(3, { seq: undefined }), send(4, { seq: undefined })];
    expect(violationsOf(history)).toEqual([]);
  });

  it('accepts an acknowledgement that names a version known before, of a write that was tried again', () => {
    const history = goodHistory();
    history.writes = [...history.writes, write(0, 300, 3, { raises: false })];
    expect(violationsOf(history)).toEqual([]);
  });

  it('accepts reads that overlap a write with or without it', () => {
    const history = goodHistory();
    history.reads = [read(1, 105, 1), read(1, 102, 2), read(1, 109, 1), read(1, 110, 1)];
    expect(violationsOf(history)).toEqual([]);
  });

  it.each(PLANTS)('blames $rule for $what', ({ rule, also = [], plant }) => {
    const rules = violationsOf({ ...goodHistory(), ...plant }).map(({ check }) => check);
    expect([...new Set(rules)].sort()).toEqual([rule, ...also].sort());
  });
});
