type Query = (sql: string, values: unknown[]) => Promise<readonly unknown[]>;

/** The columns of a table that a row is written by, as SQL: what the database works out is left out, as a dump does. */
export async function writtenColumns(query: Query, table: string): Promise<string> {
  const rows = await query(
    `SELECT string_agg(quote_ident(attname), ', ') AS columns FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
    [table],
  );
  return (rows as readonly { readonly columns: string }[])[0]!.columns;
}
