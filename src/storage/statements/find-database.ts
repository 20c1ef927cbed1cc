import type { Statement } from '../database.js';

/** Reads what tells this database from all others: the identifier of its cluster and its own number there. */
export const FIND_DATABASE: Statement = {
  name: 'find-database',
  text: `
    SELECT c.system_identifier || '.' || d.oid AS id
      FROM pg_control_system() c, pg_database d
     WHERE d.datname = current_database()`,
};
