import type { SeededBug } from './seeded-bug.js';

const CHAT_READER_TEST = 'test/unit/chat-reader.test.ts';
const JUDGE = "if (changeVersion === entryVersion + 1) return 'apply';";

/** Bugs of keeping what is held up to date. */
export const ENTRY_BUGS: readonly SeededBug[] = [
  {
    name: 'apply-without-version-check',
    does: 'applies every change that comes, however often it comes.',
    file: 'src/cache/coherence/protocol.ts',
    edits: [{ find: JUDGE, replace: "if (changeVersion > 0) return 'apply';" }],
    caughtBy: {
      file: CHAT_READER_TEST,
      name: 'a held chat ignores changes that come again',
    },
  },
  {
    name: 'early-change-applied',
    does: 'applies a change though one before it is missing.',
    file: 'src/cache/coherence/protocol.ts',
    edits: [{ find: JUDGE, replace: "if (changeVersion > entryVersion) return 'apply';" }],
    caughtBy: {
      file: CHAT_READER_TEST,
      name: 'a held chat applies changes that come before the ones they follow as soon as these have come',
    },
  },
  {
    name: 'behind-entry-served',
    does: 'answers from an entry that is known to have missed something.',
    file: 'src/cache/read/chat-reader.ts',
    edits: [{ find: 'if (entry === undefined || entry.isBehind || ', replace: 'if (entry === undefined || ' }],
    caughtBy: {
      file: CHAT_READER_TEST,
      name: 'a held chat is read by nobody when it has missed a version, until it has been told what it missed',
    },
  },
  {
    name: 'repair-forgets-deletions',
    does: 'brings an entry up to date by what has changed although rows have vanished.',
    file: 'src/cache/read/chat-repairer.ts',
    edits: [
      { find: 'throughVersion === version && resetVersion <= since && ', replace: 'throughVersion === version && ' },
    ],
    caughtBy: { file: CHAT_READER_TEST, name: 'a held chat is loaded anew when rows have vanished' },
  },
  {
    name: 'repair-forgets-the-index',
    does: 'does not tell the index of users who has come into a chat that was repaired.',
    file: 'src/cache/read/chat-repairer.ts',
    edits: [
      {
        find: 'if (leftAtMs === null) this.state.addUserChat(userId, entry.chatId);',
        replace: 'void [userId, leftAtMs];',
      },
    ],
    caughtBy: {
      file: 'test/unit/inbox-reader.test.ts',
      name: 'an inbox names a chat whose repair has found that the user came into it',
    },
  },
  {
    name: 'recycled-bytes',
    does: 'writes an edited block into the buffer that it has, of which a socket may still hold a slice.',
    file: 'src/cache/local/message-block.ts',
    edits: [
      { find: ' : this.slice(seq, seq);', replace: ' : Buffer.from(this.slice(seq, seq));' },
      {
        find: '    this.#buffer = Buffer.allocUnsafeSlow(this.#slots * SLOT_BYTES + joinedLength(pieces));',
        replace:
          '    const needed = this.#slots * SLOT_BYTES + joinedLength(pieces);\n' +
          '    if (needed > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(needed);',
      },
    ],
    caughtBy: {
      file: 'test/unit/published-bytes.test.ts',
      name: 'the slices of a page stay what they were when a message is edited or deleted whose block has room to spare',
    },
  },
  {
    name: 'recycled-bytes-of-the-packed',
    does: 'wipes the buffer that a block has had before it was packed, as who uses it again would.',
    file: 'src/cache/local/message-block.ts',
    edits: [
      { find: '    this.#buffer = packed;\n', replace: '    this.#buffer.fill(0);\n    this.#buffer = packed;\n' },
    ],
    caughtBy: {
      file: 'test/unit/published-bytes.test.ts',
      name: 'the slices of a page stay what they were when their blocks are packed, and when all is given back',
    },
  },
  {
    name: 'weight-not-updated-on-append',
    does: 'charges a block what it took when it was loaded, however much is appended to it.',
    file: 'src/cache/local/memory-store.ts',
    edits: [{ find: '        this.#shelf.recharge(block);\n', replace: '' }],
    caughtBy: {
      file: 'test/unit/memory-store.test.ts',
      name: 'the memory store charges a block for what is appended to it',
    },
  },
  {
    name: 'unknown-outcome-cached',
    does: 'keeps what is held of a chat when the answer to its COMMIT is lost.',
    file: 'src/cache/write/change-applier.ts',
    edits: [
      {
        find: "    const entry = this.state.store.getChat(chatId);\n    if (entry !== undefined) this.state.store.removeChat(entry, 'invalidated');\n",
        replace: '',
      },
    ],
    caughtBy: { file: CHAT_READER_TEST, name: 'a held chat is forgotten when the outcome of a commit is unknown' },
  },
];
