import type { SeededBug } from './seeded-bug.js';

const POLLER = 'src/cache/coherence/poller.ts';
const PEERS = 'src/cache/coherence/peers.ts';
const PEERS_TEST = 'test/unit/peers.test.ts';

/** Bugs of learning what others have written. */
export const PEER_BUGS: readonly SeededBug[] = [
  {
    name: 'cursor-by-id',
    does: 'polls from behind the newest transaction that it has seen, and so loses those that commit later with an older id.',
    file: 'src/storage/statements/poll-heads.ts',
    edits: [
      {
        find: 'FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon',
        replace: 'FROM (SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS horizon',
      },
    ],
    caughtBy: {
      file: 'test/integration/poll.test.ts',
      name: 'two instances on one database lose no change that was in a transaction still open while later ones were polled',
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
        find: 'if (first.epoch !== this.#horizonEpoch || first.epoch !== this.state.epoch) await',
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
    edits: [{ find: 'if (epoch !== this.state.epoch) {', replace: 'if (epoch === undefined) {' }],
    caughtBy: { file: PEERS_TEST, name: 'an instance takes nothing from a peer whose database has another history' },
  },
];
