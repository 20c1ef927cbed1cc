import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inOrder, type ReversibleSql } from './hand-edits/trigger-sql.js';

/**
 * Makes heads that come with a dump look changed, which they are, and gives who restores a way to say so for all chats.
 *
 * @remarks Beside an application that is still of the version before nothing changes: its own heads name the present transaction.
 */
export class FollowRestores1764300000000 implements MigrationInterface {
  readonly name = 'FollowRestores1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [LOCK_TABLE, SET_SEARCH_PATH, ...RESTORES.up]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of [LOCK_TABLE, ...RESTORES.down]) await runner.query(statement);
  }
}

const LOCK_TABLE = `LOCK TABLE chat_head IN ACCESS EXCLUSIVE MODE`;

/** The functions find the table where it is, and no temporary table of the same name. */
const SET_SEARCH_PATH = `
  SELECT set_config('search_path', quote_ident(n.nspname) || ', pg_temp', true)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = 'chat_head'::regclass`;

/**
 * A head that is inserted with the transaction that it had elsewhere, or before, is a change of this one: the poll finds changes by it.
 * Also where the application's name is used to keep the other triggers out, as who restores data does.
 */
const MARK_INSERTED: ReversibleSql = {
  up: [
    `CREATE FUNCTION scrollback_head_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
BEGIN
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END
$function$`,
    `REVOKE ALL ON FUNCTION scrollback_head_inserted() FROM PUBLIC`,
    `CREATE TRIGGER scrollback_mark_inserted BEFORE INSERT ON chat_head FOR EACH ROW
    WHEN (NEW.changed_xid <> pg_current_xact_id())
    EXECUTE FUNCTION scrollback_head_inserted()`,
  ],
  down: ['DROP TRIGGER scrollback_mark_inserted ON chat_head', 'DROP FUNCTION scrollback_head_inserted()'],
};

/**
 * For who has restored a dump: no version from before means anything any more; instances and clients load all chats anew. The step is further
 * than any chat can have come between the dump and the restore, so that no version means two things, and small enough that versions stay whole
 * numbers in JavaScript for millions of restores.
 */
const ANNOUNCE: ReversibleSql = {
  up: [
    `CREATE FUNCTION scrollback_restored() RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  step CONSTANT bigint := 1000000000;
  chats bigint;
BEGIN
  UPDATE chat_head h SET version = h.version + step, reset_version = h.version + step, changed_xid = pg_current_xact_id();
  GET DIAGNOSTICS chats = ROW_COUNT;
  RETURN chats;
END
$function$`,
    `REVOKE ALL ON FUNCTION scrollback_restored() FROM PUBLIC`,
    `COMMENT ON FUNCTION scrollback_restored() IS 'To be called after a restore: takes every chat to a version that it never had before, so that clients load it anew. Returns the number of chats.'`,
  ],
  down: ['DROP FUNCTION scrollback_restored()'],
};

const RESTORES = inOrder(MARK_INSERTED, ANNOUNCE);
