import { setImmediate as nextTurn } from 'node:timers/promises';
import pg from 'pg';

/** The part of pg's connection that speaks the COPY sub-protocol. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  sendCopyFail(message: string): void;
  endCopyFrom(): void;
}

/** A value of one column: a text, a number, or `null`. Times are text. */
export type CopyValue = string | number | null;

/**
 * `COPY … FROM STDIN` of rows that are ready: what pg itself leaves to others. A subclass of its query, because it takes
 * no other kind in pipeline mode; nothing may be sent behind it until it has answered.
 */
export class CopyInQuery extends pg.Query {
  constructor(
    statement: string,
    private readonly chunks: Iterable<Buffer>,
    callback: (error: Error | null) => void,
  ) {
    super(statement, callback as never);
  }

  /** Called by pg when the server is ready for rows. The server works on one chunk while the next one is made. */
  handleCopyInResponse(connection: CopyConnection): void {
    void this.#send(connection);
  }

  async #send(connection: CopyConnection): Promise<void> {
    try {
      for (const chunk of this.chunks) {
        connection.sendCopyFromChunk(chunk);
        await nextTurn();
      }
      connection.endCopyFrom();
    } catch (error) {
      connection.sendCopyFail(String(error));
    }
  }
}

/** Rows of one chunk: some dozens of kilobytes. */
const CHUNK_ROWS = 1000;

/** Writes rows in the text format of COPY. https://www.postgresql.org/docs/current/sql-copy.html */
export function* copyText<Row>(rows: readonly Row[], columns: readonly ((row: Row) => CopyValue)[]): Generator<Buffer> {
  for (let from = 0; from < rows.length; from += CHUNK_ROWS) {
    let text = '';
    for (const row of rows.slice(from, from + CHUNK_ROWS)) {
      for (let column = 0; column < columns.length; column++) {
        if (column > 0) text += '\t';
        const value = columns[column]!(row);
        if (value === null) text += '\\N';
        else text += typeof value === 'number' ? value : escapeText(value);
      }
      text += '\n';
    }
    yield Buffer.from(text);
  }
}

function escapeText(text: string): string {
  if (!/[\\\n\r\t]/.test(text)) return text;
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
}
