import { Duplex } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import type { Connection } from 'pg';
import { CopyOutQuery } from '../../src/storage/copy-out.js';
import { serverMessage } from './copy-rows.js';

const ROWS = ['one', '', 'three'.repeat(400), 'four'];
const ANSWER = Buffer.concat([
  serverMessage('H', Buffer.from([1, 0, 0])),
  ...ROWS.slice(0, 2).map((row) => serverMessage('d', Buffer.from(row))),
  serverMessage('N', Buffer.from('a notice')),
  ...ROWS.slice(2).map((row) => serverMessage('d', Buffer.from(row))),
  serverMessage('c'),
  serverMessage('C', Buffer.from('COPY 4\0')),
  serverMessage('Z', Buffer.from('T')),
]);
/** What the server may send right behind. */
const FOLLOWING = serverMessage('S', Buffer.from('a\0b\0'));

/** A connection in the middle of which a COPY is under way. */
class Copying {
  readonly stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  readonly rows: string[] = [];
  /** What pg was given to read. */
  readonly forPg: Buffer[] = [];
  readonly sent: string[] = [];
  readonly query: CopyOutQuery;

  constructor(onRow: (row: string) => void = () => undefined) {
    this.stream.on('data', (chunk: Buffer) => this.forPg.push(Buffer.from(chunk)));
    this.stream.on('error', () => undefined);
    this.query = new CopyOutQuery(
      'COPY',
      {
        onData: (bytes, from, to) => {
          this.rows.push(bytes.toString('utf8', from, to));
          onRow(this.rows.at(-1)!);
        },
      },
      () => undefined,
    );
    const connection = { stream: this.stream, query: (sql: string) => this.sent.push(sql) };
    this.query.submit(connection as unknown as Connection);
  }

  receive(...chunks: readonly Buffer[]): void {
    for (const chunk of chunks) this.stream.emit('data', chunk);
  }
}

const FOR_PG = ['H', 'N', 'c', 'C', 'Z', 'S'];

function typesOf(chunks: readonly Buffer[]): string[] {
  const types: string[] = [];
  const bytes = Buffer.concat(chunks);
  for (let at = 0; at < bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) types.push(String.fromCharCode(bytes[at]!));
  return types;
}

describe('COPY to the client', () => {
  it('gives rows to the sink and everything else to pg, wherever the packets are cut', () => {
    const all = Buffer.concat([ANSWER, FOLLOWING]);
    for (let cut = 0; cut <= all.length; cut++) {
      const copying = new Copying();
      copying.receive(all.subarray(0, cut), all.subarray(cut));
      const told = { rows: copying.rows, forPg: typesOf(copying.forPg), failure: copying.query.failure };
      if (told.rows.length !== ROWS.length || told.forPg.length !== FOR_PG.length) expect(cut).toBe('a good cut');
      expect(told).toEqual({ rows: ROWS, forPg: FOR_PG, failure: undefined });
    }
  });

  it('reads packets of any length, down to single bytes', () => {
    for (const length of [1, 2, 3, 7, 100]) {
      const copying = new Copying();
      for (let at = 0; at < ANSWER.length; at += length) copying.receive(ANSWER.subarray(at, at + length));
      expect(copying.rows).toEqual(ROWS);
      expect(typesOf(copying.forPg)).toEqual(FOR_PG.slice(0, -1));
    }
  });

  it('leaves the connection as it was', () => {
    const copying = new Copying();
    copying.receive(ANSWER);
    expect(copying.stream.listenerCount('data')).toBe(1);
    const before = copying.forPg.length;
    copying.receive(FOLLOWING);
    expect(copying.forPg.slice(before)).toEqual([FOLLOWING]);
    expect(copying.sent).toEqual(['COPY']);
  });

  it('reads on to the end when the sink fails, and tells why it failed', () => {
    const copying = new Copying(() => {
      throw new Error('cannot take it');
    });
    copying.receive(ANSWER);
    expect(copying.rows).toHaveLength(1);
    expect(copying.query.failure?.message).toBe('cannot take it');
    expect(copying.stream.destroyed).toBe(false);
    expect(copying.stream.listenerCount('data')).toBe(1);
  });

  it('passes the server’s error on to pg', () => {
    const copying = new Copying();
    copying.receive(serverMessage('E', Buffer.from('SERROR\0\0')), serverMessage('Z', Buffer.from('E')));
    expect(typesOf(copying.forPg)).toEqual(['E', 'Z']);
    expect(copying.rows).toEqual([]);
  });

  it('ends the connection when it does not know where a message begins', () => {
    const copying = new Copying();
    copying.receive(Buffer.from('what pg had read half'));
    expect(copying.stream.destroyed).toBe(true);
    expect(copying.query.failure?.message).toMatch(/message of type/);
  });

  it('fails when pg has read rows itself', () => {
    const copying = new Copying();
    copying.query.handleCopyData();
    copying.receive(ANSWER);
    expect(copying.query.failure?.message).toMatch(/still answering/);
  });
});
