/**
 * Rows as parameters of a statement: an array for each column, in PostgreSQL's binary format.
 *
 * pg writes an array as text, each element quoted, escaped and joined, and the server takes it apart again. In the binary format an element
 * is its length and its bytes, which neither side looks through. An array's type must be just the one that the statement names: the
 * server refuses any other. The format is that of `array_recv` and `array_send` in PostgreSQL's `arrayfuncs.c`.
 */
import type { QueryResultRow } from 'pg';
import type { Statement, Transaction } from '../database.js';

/** One column of rows, as an array in the binary format. O(n) in the rows, and in the bytes of texts. */
export type Column<Row> = (rows: readonly Row[]) => Buffer;

/** Ids of types, which are the same in every PostgreSQL. */
const BOOL_OID = 16;
const INT8_OID = 20;
const TEXT_OID = 25;
const UUID_OID = 2950;

/** Number of dimensions, whether there are nulls, type of the elements; then, of the one dimension, its size and first index. */
const HEAD_BYTES = 20;
const EMPTY_HEAD_BYTES = 12;

/** Before each element: its bytes. */
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;

const UUID_BYTES = 16;
const INT8_BYTES = 8;
const TWO_TO_32 = 2 ** 32;

const UUID_LENGTH = 36;
const HYPHEN = 0x2d;
const NO_DIGIT = 255;

/** What each character stands for as a hexadecimal digit. */
const HEX_VALUES = Uint8Array.from({ length: 128 }, (_value, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase());
  return digit < 0 ? NO_DIGIT : digit;
});

/** Runs a statement whose parameters are columns of rows; without rows there is nothing to ask. */
export async function queryRows<Row, Result extends QueryResultRow>(
  transaction: Transaction,
  statement: Statement,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): Promise<Result[]> {
  if (rows.length === 0) return [];
  return transaction.query<Result>(
    statement,
    columns.map((column) => column(rows)),
  );
}

/** A column of the type `uuid`. @throws TypeError when a value is none. */
export function uuids<Row>(valueOf: (row: Row) => string): Column<Row> {
  return (rows) => {
    const array = begin(UUID_OID, rows.length, rows.length * UUID_BYTES);
    let at = HEAD_BYTES;
    for (const row of rows) {
      const uuid = valueOf(row);
      at = array.writeInt32BE(UUID_BYTES, at);
      if (!writeUuid(array, at, uuid)) throw new TypeError('The id of a chat must be a UUID.');
      at += UUID_BYTES;
    }
    return array;
  };
}

/** A column of the type `bigint`: whole numbers up to 2^53, or null. */
export function bigints<Row>(valueOf: (row: Row) => number | null): Column<Row> {
  return (rows) => {
    const values = rows.map(valueOf);
    const nulls = countNulls(values);
    const array = begin(INT8_OID, values.length, (values.length - nulls) * INT8_BYTES, nulls);
    let at = HEAD_BYTES;
    for (const value of values) {
      if (value === null) {
        at = array.writeInt32BE(NULL_LENGTH, at);
      } else {
        at = array.writeInt32BE(INT8_BYTES, at);
        at = array.writeInt32BE(Math.floor(value / TWO_TO_32), at);
        at = array.writeUInt32BE(value >>> 0, at);
      }
    }
    return array;
  };
}

/** A column of the type `text`, which may have nulls. */
export function texts<Row>(valueOf: (row: Row) => string | null): Column<Row> {
  return (rows) => {
    const values = rows.map(valueOf);
    const bytes = values.reduce((sum, value) => (value === null ? sum : sum + Buffer.byteLength(value)), 0);
    const array = begin(TEXT_OID, values.length, bytes, countNulls(values));
    let at = HEAD_BYTES;
    for (const value of values) {
      const length = value === null ? NULL_LENGTH : array.write(value, at + LENGTH_BYTES);
      at = array.writeInt32BE(length, at) + Math.max(0, length);
    }
    return array;
  };
}

/** A column of the type `boolean`. */
export function booleans<Row>(valueOf: (row: Row) => boolean): Column<Row> {
  return (rows) => {
    const array = begin(BOOL_OID, rows.length, rows.length);
    let at = HEAD_BYTES;
    for (const row of rows) {
      at = array.writeInt32BE(1, at);
      at = array.writeUInt8(valueOf(row) ? 1 : 0, at);
    }
    return array;
  };
}

/** Writes the bytes of a UUID. A message's id is written five times: taking the text apart by strings was a twentieth of all they allocate. */
function writeUuid(array: Buffer, at: number, uuid: string): boolean {
  if (uuid.length !== UUID_LENGTH) return false;
  let to = at;
  for (let from = 0; from < UUID_LENGTH; from += 2) {
    if (uuid.charCodeAt(from) === HYPHEN) from++;
    const high = HEX_VALUES[uuid.charCodeAt(from)] ?? NO_DIGIT;
    const low = HEX_VALUES[uuid.charCodeAt(from + 1)] ?? NO_DIGIT;
    if (high === NO_DIGIT || low === NO_DIGIT) return false;
    array[to++] = high * 16 + low;
  }
  return to === at + UUID_BYTES;
}

function countNulls(values: readonly unknown[]): number {
  return values.reduce<number>((count, value) => (value === null ? count + 1 : count), 0);
}

/** Makes room for an array and writes its head. */
function begin(elementOid: number, size: number, valueBytes: number, nulls = 0): Buffer {
  const array = Buffer.allocUnsafe(size === 0 ? EMPTY_HEAD_BYTES : HEAD_BYTES + size * LENGTH_BYTES + valueBytes);
  array.writeInt32BE(size === 0 ? 0 : 1, 0);
  array.writeInt32BE(nulls === 0 ? 0 : 1, 4);
  array.writeInt32BE(elementOid, 8);
  if (size > 0) {
    array.writeInt32BE(size, 12);
    array.writeInt32BE(1, 16);
  }
  return array;
}
