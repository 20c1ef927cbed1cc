// Writes a database's schema as text that shows every change of it as a difference of lines. PostgreSQL's own dump is
// not among the embedded binaries, so the catalogs are asked.

/** @param query runs SQL and gives rows. */
export async function dumpSchema(query) {
  const parts = [
    '-- The schema after all migrations. Made by `npm run schema`; a test keeps it in step. Not to be edited by hand.\n',
  ];
  for (const { source, name, open } of await query(`
    SELECT pg_get_functiondef(p.oid) AS source, p.oid::regprocedure AS name,
      EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) AS open
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace ORDER BY p.proname, pg_get_function_identity_arguments(p.oid)`)) {
    parts.push(`${source.trimEnd()};\n${open ? '' : `REVOKE ALL ON FUNCTION ${name} FROM PUBLIC;\n`}`);
  }
  for (const { name, type, start, step, limit, cache } of await query(`
    SELECT c.relname AS name, format_type(s.seqtypid, NULL) AS type, s.seqstart AS start, s.seqincrement AS step,
      s.seqmax AS limit, s.seqcache AS cache
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'schema_migration%' ORDER BY c.relname`)) {
    parts.push(
      `CREATE SEQUENCE ${name} AS ${type} INCREMENT BY ${step} MAXVALUE ${limit} START WITH ${start} CACHE ${cache};\n`,
    );
  }
  const tables = await query(`
    SELECT c.oid, c.relname AS name, c.reloptions AS options, obj_description(c.oid) AS comment FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migration'
    ORDER BY c.relname`);
  for (const { oid, name, options, comment } of tables) {
    const columns = await query(
      `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
         pg_get_expr(d.adbin, d.adrelid) AS fallback, col_description(a.attrelid, a.attnum) AS comment,
         CASE WHEN a.attcollation <> t.typcollation THEN l.collname END AS collation, a.attgenerated = 's' AS generated
       FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
         LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
       WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
      [oid],
    );
    const constraints = await query(
      `SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
       WHERE conrelid = $1 AND contype <> 'n' ORDER BY contype DESC, conname`,
      [oid],
    );
    const lines = [
      ...columns.map(
        (column) =>
          `${column.name} ${column.type}` +
          (column.collation === null ? '' : ` COLLATE "${column.collation}"`) +
          (column.required ? ' NOT NULL' : '') +
          valueClause(column),
      ),
      ...constraints.map((constraint) => `CONSTRAINT ${constraint.name} ${constraint.definition}`),
    ];
    const storage = options === null ? '' : ` WITH (${options.join(', ')})`;
    parts.push(`CREATE TABLE ${name} (\n  ${lines.join(',\n  ')}\n)${storage};`);
    for (const { definition } of await query(
      `SELECT pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
       WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
       ORDER BY 1`,
      [oid],
    )) {
      parts.push(`${definition.replaceAll('public.', '')};`);
    }
    for (const { definition } of await query(
      `SELECT pg_get_triggerdef(t.oid) AS definition FROM pg_trigger t
       WHERE t.tgrelid = $1 AND NOT t.tgisinternal ORDER BY t.tgname`,
      [oid],
    )) {
      parts.push(`${definition.replaceAll('public.', '')};`);
    }
    if (comment !== null) parts.push(`COMMENT ON TABLE ${name} IS ${quote(comment)};`);
    for (const column of columns) {
      if (column.comment !== null) parts.push(`COMMENT ON COLUMN ${name}.${column.name} IS ${quote(column.comment)};`);
    }
    parts.push('');
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

function quote(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

/** What a column has where nobody says anything else. */
function valueClause({ fallback, generated }) {
  if (fallback === null) return '';
  return generated ? ` GENERATED ALWAYS AS ${fallback} STORED` : ` DEFAULT ${fallback}`;
}
