import type { SeededBug } from './seeded-bug.js';

const POLLER = 'src/cache/coherence/poller.ts';
const PEERS = 'src/cache/coherence/peers.ts';
const CRASH_TEST = 'test/integration/server-crash.test.ts';
const SKIPPED_TEST = 'test/unit/skipped-changes.test.ts';
const SHARED_CRASH_TEST = 'test/integration/shared-cache-crash.test.ts';
const PEERS_TEST = 'test/unit/peers.test.ts';

/** Bugs of learning what others have written. */
export const PEER_BUGS: readonly SeededBug[] = [
  {
    name: 'cursor-by-id',
    does: 'polls from behind the newest transaction that it has seen, and so loses those that commit later with an older id.',
    file: 'src/storage/statements/poll-heads.ts',
    edits: [
      {
        find: 'const HORIZON = `pg_snapshot_xmin(',
        replace: 'const HORIZON = `pg_snapshot_xmax(',
      },
    ],
    caughtBy: {
      file: 'test/integration/poll.test.ts',
      name: 'two instances on one database lose no change that was in a transaction still open while later ones were polled',
    },
  },
  {
    name: 'horizon-outlives-a-crash',
    does: 'goes by a horizon that PostgreSQL has forgotten in a crash, behind which others commit.',
    file: 'src/cache/coherence/continuity.ts',
    edits: [{ find: 'return this.#run === undefined || ', replace: 'return true || ' }],
    caughtBy: {
      file: CRASH_TEST,
      name: 'an instance whose PostgreSQL crashes and that has run for long, keeping what has not changed, misses no change behind the ids that it has seen',
    },
  },
  {
    name: 'lost-commit-kept',
    does: 'keeps what it was shown of a commit that a crash has taken back.',
    file: POLLER,
    edits: [{ find: 'await this.#forgetLost();', replace: '' }],
    caughtBy: {
      file: CRASH_TEST,
      name: 'an instance whose PostgreSQL crashes as a whole forgets what was committed without waiting for the disk, and lost',
    },
  },
  {
    name: 'shared-outlives-a-crash',
    does: 'takes from Redis what a crash has taken back, once its version has been given out again.',
    file: 'src/cache/shared/shared-chats.ts',
    edits: [{ find: 'const [{ run, versions }, found]', replace: 'const [{ epoch: run, versions }, found]' }],
    caughtBy: {
      file: SHARED_CRASH_TEST,
      name: 'what instances share in Redis and PostgreSQL loses in a crash of the whole server is taken by nobody, though its version is given out again',
    },
    message: 'Received: "lost"',
  },
  {
    name: 'look-behind-its-span',
    does: 'looks for changes in the spans of transactions behind the one in which the last look ended.',
    file: 'src/storage/statements/poll-heads.ts',
    edits: [{ find: "h.changed_span >= ${spanOf('$1::xid8')}", replace: "h.changed_span > ${spanOf('$1::xid8')}" }],
    caughtBy: {
      file: 'test/integration/poll-heads.test.ts',
      name: 'heads that have not changed since a look are not told, though they are found by the same span of transactions',
    },
  },
  {
    name: 'skipped-and-served',
    does: 'skips what a peer has changed in a chat that nobody reads here, and serves its next reader what was there before.',
    file: 'src/cache/cache-state.ts',
    edits: [{ find: "this.#noteVersion(entry, chatId, to, 'bus');", replace: '' }],
    caughtBy: {
      file: SKIPPED_TEST,
      name: 'changes of peers to a chat that nobody reads here are applied for a while, and then skipped: its next reader has it repaired',
    },
  },
  {
    name: 'skipped-taken-for-whole',
    does: 'takes changes that were skipped for all that there were, although the bus has lost one between them.',
    file: 'src/cache/local/chat-entry.ts',
    edits: [{ find: 'if (from <= this.knownThrough + 1) this.#skippedThrough', replace: 'this.#skippedThrough' }],
    caughtBy: {
      file: SKIPPED_TEST,
      name: 'changes of peers to a chat that nobody reads here are not taken for whole where the bus has lost some: the poll asks who has come',
    },
  },
  {
    name: 'older-than-told',
    does: 'tells what is stale, while the database is away, although somebody has been told something newer.',
    file: 'src/cache/local/chat-entry.ts',
    edits: [{ find: 'return this.version >= this.#toldVersion;', replace: 'return true;' }],
    caughtBy: {
      file: SKIPPED_TEST,
      name: 'changes of peers to a chat that nobody reads here are not told as never made once somebody has been told of them',
    },
  },
  {
    name: 'run-told-by-its-start',
    does: 'takes the server for running on when it recovers from a crash without being started anew.',
    file: 'src/storage/statements/poll-heads.ts',
    edits: [{ find: "coalesce(pg_last_wal_replay_lsn()::text, '')", replace: "''" }],
    caughtBy: {
      file: SHARED_CRASH_TEST,
      name: 'what instances share in Redis and PostgreSQL loses in a crash of one of its processes, after which it is not started anew, is taken by nobody, though its version is given out again',
    },
    message: 'Received: "lost"',
  },
  {
    name: 'half-a-restore-kept',
    does: 'takes a restore for done when its tables are made, and keeps what it has read between two of them.',
    file: 'src/storage/statements/poll-heads.ts',
    edits: [
      { find: "string_agg(concat_ws(' ', t.oid, t.xmin, t.tgenabled), ',' ORDER BY t.oid)", replace: 'max(1)::text' },
    ],
    caughtBy: {
      file: 'test/integration/restore.test.ts',
      name: 'a dump that is restored under a running instance table by table, as pg_restore does, is shown whole when its triggers are there, whatever was read meanwhile',
    },
  },
  {
    name: 'changes-to-the-removed',
    does: 'tells a user whom it still holds as a member what has changed since they were removed.',
    file: 'src/cache/read/answer-reader.ts',
    edits: [{ find: 'if (!loaded.isVisible)', replace: 'if (false)' }],
    caughtBy: {
      file: 'test/integration/poll.test.ts',
      name: 'two instances on one database tell who was removed nothing of what came later, before the next poll',
    },
  },
  {
    name: 'bus-only',
    does: 'does not heed what the poll finds: what the bus has lost is never learned.',
    file: POLLER,
    edits: [{ find: "      this.state.noteVersion(chatId, version, 'poll');\n", replace: '' }],
    caughtBy: {
      file: PEERS_TEST,
      name: 'an instance whose bus loses everything learns by the poll what a peer has written',
    },
  },
  {
    name: 'nothing-on-reconnect',
    does: 'goes on as if nothing had been published while the bus was away.',
    file: PEERS,
    edits: [{ find: '  onGap(): void {\n    this.poller.pollSoon();\n', replace: '  onGap(): void {\n' }],
    caughtBy: {
      file: PEERS_TEST,
      name: 'an instance that polls by itself looks at once for what it has missed when its bus has come back',
    },
  },
  {
    name: 'lease-from-the-end',
    does: 'counts freshness from the end of a poll, which may have read long before.',
    file: POLLER,
    edits: [{ find: 'this.state.lease.confirm(start);', replace: 'this.state.lease.confirm(this.state.lease.now());' }],
    caughtBy: {
      file: 'test/unit/doubt.test.ts',
      name: 'the lease counts from the start of a poll, however long its answer takes',
    },
    message: 'Expected: 400',
  },
  {
    name: 'epoch-ignored-by-the-poll',
    does: 'keeps what it holds when the database has become another one.',
    file: POLLER,
    edits: [
      {
        find: 'if (isAnother) await',
        replace: 'if (this.state.epoch === undefined) await',
      },
    ],
    caughtBy: {
      file: 'test/unit/doubt.test.ts',
      name: 'a database that has been restored empties the cache at the next poll, though its versions are lower',
    },
  },
  {
    name: 'epoch-ignored-by-fills',
    does: 'keeps what a fill has read of a history that is over.',
    file: 'src/cache/read/chat-reader.ts',
    edits: [{ find: '      if (!fill.isVoid) {\n', replace: '      {\n' }],
    caughtBy: {
      file: 'test/unit/doubt.test.ts',
      name: 'a database that has been restored makes a fill that began before it read again',
    },
  },
  {
    name: 'epoch-ignored-by-the-bus',
    does: 'applies what a peer tells of another history of the database.',
    file: PEERS,
    edits: [{ find: 'if (run !== this.state.run) {', replace: 'if (run === undefined) {' }],
    caughtBy: { file: PEERS_TEST, name: 'an instance takes nothing from a peer whose database has another history' },
  },
  {
    name: 'bus-memory-reused-early',
    does: 'writes over what it tells peers before it was sent.',
    file: 'src/cache/coherence/bus/linked-bus.ts',
    edits: [
      {
        find: '      await this.link.send([...changes.messages, ...beats]);\n',
        replace:
          '      const sent = this.link.send([...changes.messages, ...beats]);\n      changes.done();\n      await sent;\n',
      },
    ],
    caughtBy: {
      file: 'test/unit/linked-bus.test.ts',
      name: 'the memory of messages is not written over while they are being sent, and is when they are',
    },
  },
  {
    name: 'bus-memory-reused-after-failure',
    does: 'writes over what it tells peers although its send has failed, and may still read it.',
    file: 'src/cache/coherence/bus/outbox.ts',
    edits: [
      {
        find: 'undo: () => this.#addVersions(taken)',
        replace: 'undo: () => (this.#addVersions(taken), this.#spare(taken))',
      },
    ],
    caughtBy: {
      file: 'test/unit/linked-bus.test.ts',
      name: 'the memory of messages is never written over when they may not have been sent',
    },
  },
];
