/** What a migration runs to make something, and to take it away again. */
export interface ReversibleSql {
  readonly up: readonly string[];
  readonly down: readonly string[];
}

/**
 * SQL that makes a trigger function out of the declarations and statements of its body.
 *
 * @remarks
 * - It runs as the owner of the schema: who may write into a table need have no right to write heads and versions. So that
 *   nobody can make it do that for a table of theirs, it may not be attached to another one; and its search path is the one
 *   that the migration has set, whatever the session's is.
 * - While it runs, the setting says that the application writes, so that its own statements fire none of these triggers. A
 *   `SET` clause of the function would say so more shortly, but only superusers may write one for a setting of this kind.
 * - Statements that read a transition table together with other tables are run by `EXECUTE`: a plan that is kept would
 *   be for as many rows as the session's first statement had.
 */
export function triggerFunction(name: string, { declare, body }: { declare: string; body: string }): ReversibleSql {
  return {
    up: [
      `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  writer text := coalesce(current_setting('scrollback.writer', true), '');
${declare}
BEGIN
  PERFORM set_config('scrollback.writer', 'application', true);
${body}
  PERFORM set_config('scrollback.writer', writer, true);
  RETURN NULL;
END
$function$`,
      `REVOKE ALL ON FUNCTION ${name}() FROM PUBLIC`,
    ],
    down: [`DROP FUNCTION ${name}()`],
  };
}

/** Events that a trigger on a table can be for, and the transition tables that it then has. */
const TRANSITION_TABLES = {
  INSERT: 'REFERENCING NEW TABLE AS written',
  UPDATE: 'REFERENCING OLD TABLE AS replaced NEW TABLE AS written',
  DELETE: 'REFERENCING OLD TABLE AS replaced',
  TRUNCATE: '',
} as const;

/**
 * SQL that has a function called after statements on a table, unless it is the application that writes: that gives out
 * versions and seqs itself.
 */
export function handEditTrigger(
  table: string,
  event: keyof typeof TRANSITION_TABLES,
  functionName: string,
): ReversibleSql {
  const name = `scrollback_hand_${event.toLowerCase()}`;
  return {
    up: [
      `CREATE TRIGGER ${name} AFTER ${event} ON ${table} ${TRANSITION_TABLES[event]} FOR EACH STATEMENT
    WHEN (current_setting('scrollback.writer', true) IS DISTINCT FROM 'application')
    EXECUTE FUNCTION ${functionName}()`,
    ],
    down: [`DROP TRIGGER ${name} ON ${table}`],
  };
}

/** Puts parts together; what is made last is taken away first. */
export function inOrder(...parts: readonly ReversibleSql[]): ReversibleSql {
  return { up: parts.flatMap(({ up }) => up), down: parts.toReversed().flatMap(({ down }) => down) };
}
