import pg from 'pg';

/** The part of pg's connection that speaks the COPY sub-protocol. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** A value of one column: a text, a number, or `null`. Times are text. */
export type CopyValue = string | number | null;

/**
 * `COPY … FROM STDIN` of rows that are ready: what pg itself leaves to others. A subclass of its query, because it takes
 * no other kind in pipeline mode; nothing may be sent behind it until it has answered.
 */
export class CopyInQuery extends pg.Query {
  // Not called rows: pg's query has an option of that name.
  readonly #data: Buffer;

  constructor(statement: string, data: Buffer, callback: (error: Error | null) => void) {
    super(statement, callback as never);
    this.#data = data;
  }

  /** Called by pg when the server is ready for rows. */
  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(this.#data);
    connection.endCopyFrom();
  }
}

/** Writes values as columns of a row in the text format of COPY. https://www.postgresql.org/docs/current/sql-copy.html */
export function copyColumns(values: readonly CopyValue[]): string {
  let text = '';
  for (let column = 0; column < values.length; column++) {
    if (column > 0) text += '\t';
    const value = values[column]!;
    if (value === null) text += '\\N';
    else text += typeof value === 'number' ? value : escapeText(value);
  }
  return text;
}

function escapeText(text: string): string {
  if (!/[\\\n\r\t]/.test(text)) return text;
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
}
