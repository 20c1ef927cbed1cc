import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inOrder, type ReversibleSql } from './hand-edits/trigger-sql.js';

/**
 * Lets most updates of a head stay on its page, without touching an index. An update is "heap-only" where no indexed column changes, and `changed_xid`
 * changes with every one: each of them left a dead row behind and an entry in two indexes. What is indexed now is the span of 256 transactions
 * that it falls into, which a chat that is written often enters once, and the poll filters within a span.
 *
 * @remarks The table is written anew under its lock, 1.5 s for a million chats, which empties the caches of who runs: it is another file then. Where an
 * application is still of the version before, its polls go through the whole table.
 */
export class UpdateHeadsInPlace1764400000000 implements MigrationInterface {
  readonly name = 'UpdateHeadsInPlace1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of SPANS.up) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of SPANS.down) await runner.query(statement);
  }
}

/** Generated, so that nobody who moves a head has to know of it. `statements/poll-heads.ts` has the same expression. */
const COLUMN: ReversibleSql = {
  up: [
    `ALTER TABLE chat_head ADD COLUMN changed_span bigint NOT NULL GENERATED ALWAYS AS ((changed_xid::text::bigint) >> 8) STORED`,
    `COMMENT ON COLUMN chat_head.changed_span IS 'changed_xid / 256: what the coherence poll finds heads by. Updates within one span touch no index.'`,
  ],
  down: [`ALTER TABLE chat_head DROP COLUMN changed_span`],
};

const INDEX: ReversibleSql = {
  up: [`CREATE INDEX chat_head_changed_span ON chat_head (changed_span, chat_id)`, `DROP INDEX chat_head_changed_xid`],
  down: [`CREATE INDEX chat_head_changed_xid ON chat_head (changed_xid)`],
};

const SPANS = inOrder(COLUMN, INDEX);
