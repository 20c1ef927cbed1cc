import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CHAT } from './hand-edits/chat.js';
import { HEADS } from './hand-edits/heads.js';
import { MESSAGE } from './hand-edits/message.js';
import { PARTICIPANT } from './hand-edits/participant.js';
import { REACTION } from './hand-edits/reaction.js';
import { inOrder } from './hand-edits/trigger-sql.js';

/**
 * Triggers that give a person's edits what the application gives its own writes: seqs, versions, and heads by which every
 * instance notices.
 *
 * @remarks Beside an application that is still of the version before, its writes count as a person's: they take more steps
 * of the version than needed, and whoever follows the changes is told to reload.
 */
export class FollowHandEdits1764100000000 implements MigrationInterface {
  readonly name = 'FollowHandEdits1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [LOCK_TABLES, SET_SEARCH_PATH, ...TRIGGERS.up]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of [LOCK_TABLES, ...TRIGGERS.down]) await runner.query(statement);
  }
}

/** At once and first, in the order in which the application writes, so that neither waits for the other. */
const LOCK_TABLES = `LOCK TABLE message, reaction, participant, chat, chat_head IN ACCESS EXCLUSIVE MODE`;

/** The functions find the tables where they are, and no temporary table of the same name. */
const SET_SEARCH_PATH = `
  SELECT set_config('search_path', quote_ident(n.nspname) || ', pg_temp', true)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'message'::regclass`;

const TRIGGERS = inOrder(HEADS, CHAT, PARTICIPANT, MESSAGE, REACTION);
