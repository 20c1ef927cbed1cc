import type { SeededBug } from './seeded-bug.js';

/** Bugs of the way from a write to its announcement. */
export const WRITE_BUGS: readonly SeededBug[] = [
  {
    name: 'publish-before-commit',
    does: 'announces and answers a write when COMMIT is sent, not when it is answered.',
    file: 'src/storage/open-transaction.ts',
    edits: [
      {
        find: '    this.commit();\n    await this.#requireCommitted();\n',
        replace: '    this.commit();\n    void this.#requireCommitted().catch(() => undefined);\n',
      },
    ],
    caughtBy: {
      file: 'test/integration/announcement.test.ts',
      name: 'a write that the database refuses at COMMIT is answered with an error, and announced to nobody',
    },
  },
  {
    name: 'unknown-outcome-not-announced',
    does: 'tells nobody that the answer to a COMMIT was lost.',
    file: 'src/storage/write/group-commit.ts',
    edits: [{ find: 'for (const chatId of batch.keys()) this.feed.announceUnknown(chatId);', replace: '' }],
    caughtBy: {
      file: 'test/integration/announcement.test.ts',
      name: 'a write that is committed while the answer to COMMIT is lost makes the cache forget the chat: the next reader sees it',
    },
  },
  {
    name: 'lock-order-not-sorted',
    does: 'locks chats in the order in which they are named, so that two who wait for each other end in a deadlock.',
    file: 'src/storage/statements/lock-heads.ts',
    edits: [{ find: '    ORDER BY h.chat_id`', replace: '    ORDER BY array_position($1::uuid[], h.chat_id)`' }],
    caughtBy: {
      file: 'test/integration/announcement.test.ts',
      name: 'who waits for the lock of a chat holds no chat with a higher id',
    },
  },
];
