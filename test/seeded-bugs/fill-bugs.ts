import type { SeededBug } from './seeded-bug.js';

const CHAT_READER = 'src/cache/read/chat-reader.ts';
const CHAT_READER_TEST = 'test/unit/chat-reader.test.ts';

/** Bugs of loading what is not held. */
export const FILL_BUGS: readonly SeededBug[] = [
  {
    name: 'naive-install',
    does: 'keeps what a fill has read as it was read, whatever was heard meanwhile and whatever is held.',
    file: CHAT_READER,
    edits: [
      { find: 'if (entry.version >= fill.minVersion) return', replace: 'return' },
      { find: 'if (change.version > entry.version && !entry.apply(change)) break;', replace: 'break;' },
      { find: 'if (held !== undefined && held.version >= entry.version) {', replace: 'if (held === entry) {' },
    ],
    caughtBy: {
      file: CHAT_READER_TEST,
      name: 'a fill of a chat brings what it read up to a write that is announced while the answer is on its way',
    },
  },
  {
    name: 'no-minimum-in-flight',
    does: 'forgets a version that is heard of while the chat is not held and its fill is on its way.',
    file: 'src/cache/read/fill-board.ts',
    edits: [
      {
        find: 'for (const fill of this.#fills.get(chatId) ?? []) fill.minVersion = Math.max(fill.minVersion, version);',
        replace: '',
      },
    ],
    caughtBy: {
      file: CHAT_READER_TEST,
      name: 'a fill of a chat reads again when the poll has seen a later version meanwhile',
    },
  },
  {
    name: 'joins-an-old-flight',
    does: 'answers a reader who knows of a version by a fill that had read before it was committed.',
    file: CHAT_READER,
    edits: [{ find: 'if (isEnough || (!isKnown && attempt > 0)) return', replace: 'return' }],
    caughtBy: {
      file: CHAT_READER_TEST,
      name: 'a fill of a chat that has read too early for a reader who joins it is not what this reader gets',
    },
  },
  {
    name: 'joins-a-stale-flight',
    does: 'answers a reader who comes in doubt by a fill that had read longer ago than the bound allows.',
    file: CHAT_READER,
    edits: [
      { find: 'if (!this.state.isHolding || this.state.lease.covers(entry)) return entry;', replace: 'return entry;' },
    ],
    caughtBy: {
      file: 'test/unit/doubt.test.ts',
      name: 'what is on its way when the lease has run out is not what a reader gets who comes when the bound has gone by since it was read',
    },
  },
  {
    name: 'count-of-another-version',
    does: 'tells an inbox with unread counts of another version than the chats beside them, when it has counted often enough.',
    file: 'src/cache/read/inbox-reader.ts',
    edits: [{ find: 'const items = isWhole\n', replace: 'const items = true\n' }],
    caughtBy: {
      file: 'test/unit/inbox-reader.test.ts',
      name: 'an inbox counts unread messages at the version that it shows when others write all the time',
    },
  },
  {
    name: 'told-and-not-heard',
    does: 'tells an inbox of the database’s own versions, and the next reader what is held of before.',
    file: 'src/cache/read/inbox-reader.ts',
    edits: [
      {
        find: "for (const { loaded } of read) this.state.noteVersion(loaded.chatId, loaded.head.version, 'read');",
        replace: '',
      },
    ],
    caughtBy: {
      file: 'test/unit/inbox-reader.test.ts',
      name: 'an inbox counts unread messages at the version that it shows when others write all the time',
    },
  },
  {
    name: 'joins-a-stale-index',
    does: 'tells a user who asks in doubt the chats that they were in longer ago than the bound allows.',
    file: 'src/cache/read/inbox-reader.ts',
    edits: [{ find: 'hears && this.state.lease.covers(pending)) return', replace: 'hears) return' }],
    caughtBy: {
      file: 'test/unit/doubt.test.ts',
      name: 'what is on its way when the lease has run out is not the inbox that a reader gets who comes when the bound has gone by',
    },
  },
  {
    name: 'joins-an-old-look',
    does: 'takes the answer of a look at versions that had begun before the reader asked.',
    file: 'src/cache/coherence/revalidator.ts',
    edits: [
      {
        find: '      this.#next = undefined;\n      return this.#ask([...entries.values()]);',
        replace:
          '      return this.#ask([...entries.values()]).finally(() => {\n        this.#next = undefined;\n      });',
      },
    ],
    caughtBy: {
      file: 'test/unit/doubt.test.ts',
      name: 'a held chat when the lease has run out is asked about anew by who comes while the look is on its way: it may have read already',
    },
  },
  {
    name: 'two-statement-fill',
    does: 'reads rows and versions by two statements, so that old rows get a new version.',
    file: 'src/storage/chat-repository.ts',
    edits: [
      {
        find: '    return rows.map(readChatRow);',
        replace:
          "    const heads = await this.database.query<{ id: string; version: string; last_seq: string }>('read', {\n" +
          "      name: 'load-heads',\n" +
          "      text: 'SELECT chat_id AS id, version, last_seq FROM chat_head WHERE chat_id = ANY ($1::uuid[])',\n" +
          '    }, [chatIds]);\n' +
          '    return rows.map((row) => readChatRow({ ...row, ...heads.find(({ id }) => id === row.id) }));',
      },
    ],
    caughtBy: {
      file: 'test/integration/one-snapshot.test.ts',
      name: 'what is loaded is of the version that it names, whoever writes between two statements: chats with their tails',
    },
  },
  {
    name: 'absent-without-rules',
    does: 'keeps that a chat does not exist without asking whether it has come into being meanwhile.',
    file: CHAT_READER,
    edits: [
      {
        find: 'if (entry.version >= fill.minVersion) return',
        replace: 'if (entry.version === 0 || entry.version >= fill.minVersion) return',
      },
    ],
    caughtBy: {
      file: CHAT_READER_TEST,
      name: 'a fill of a chat of a chat that comes into being meanwhile reads it',
    },
  },
  {
    name: 'block-of-another-version',
    does: 'puts messages that were read at one version into an entry at another.',
    file: 'src/cache/read/message-reader.ts',
    edits: [{ find: 'if (missed === undefined) return;', replace: '' }],
    caughtBy: {
      file: 'test/unit/message-reader.test.ts',
      name: 'a fill of messages is not put into an entry that has come in the place of the one it was read for, at another version',
    },
  },
];
