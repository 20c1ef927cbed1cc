import type { Duplex } from 'node:stream';
import pg, { type Connection } from 'pg';

/** Takes the data of a `COPY … TO STDOUT`. */
export interface CopyOutSink {
  /**
   * Takes the data of one message: one row, with the header before the first. The bytes are overwritten afterwards.
   * What it throws ends the COPY with that error.
   */
  onData(bytes: Buffer, from: number, to: number): void;
}

type DataListener = (chunk: Buffer) => void;

/** https://www.postgresql.org/docs/current/protocol-message-formats.html */
const COPY_DATA = 0x64;
const READY_FOR_QUERY = 0x5a;
/** A type byte, and a length that counts itself but not the type. */
const HEADER_BYTES = 5;
/** Whatever else may come while a COPY answers: errors, notices, settings, notifications, its beginning and its end. */
const OTHER_TYPES = new Set([...'ENSAHcC'].map((letter) => letter.charCodeAt(0)));

/**
 * `COPY … TO STDOUT` whose rows reach their reader as they lie in the packets.
 *
 * pg would make an object and a slice for every row. So from its start to its end this query listens to the socket itself:
 * rows go to the sink, and every other message to pg, which keeps its own idea of where it is. Nothing else may be under
 * way on the connection: pg must have read all that was sent before.
 */
export class CopyOutQuery extends pg.Query {
  readonly #statement: string;
  readonly #sink: CopyOutSink;
  #failure: Error | undefined;
  #stream: Duplex | undefined;
  #listeners: DataListener[] = [];
  /** The beginning of a message whose end has not come yet. */
  #held = Buffer.allocUnsafeSlow(1024);
  #heldLength = 0;

  constructor(statement: string, sink: CopyOutSink, callback: (error: Error | null) => void) {
    super(statement, callback as never);
    this.#statement = statement;
    this.#sink = sink;
  }

  /** What went wrong here and not in the database, once the answer is complete. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Called by pg to send the query. */
  override readonly submit = (connection: Connection): void => {
    this.#stream = connection.stream;
    this.#listeners = connection.stream.listeners('data') as DataListener[];
    connection.stream.removeAllListeners('data');
    connection.stream.on('data', this.#onChunk);
    connection.query(this.#statement);
  };

  /** Called by pg for a row that it has read itself: then something else was under way, and rows may be lost. */
  handleCopyData(): void {
    this.#failure ??= new Error('COPY was sent on a connection that was still answering something else.');
  }

  /** Takes a chunk of what the server sends, cut anywhere. */
  readonly #onChunk = (chunk: Buffer): void => {
    let at = 0;
    while (this.#heldLength > 0 && at < chunk.length) {
      at = this.#holdMore(chunk, at);
      if (this.#isHeldWhole) {
        const length = this.#heldLength;
        this.#heldLength = 0;
        if (!this.#take(this.#held, 0, length))
          return this.#handBack(this.#held.subarray(0, length), chunk.subarray(at));
      }
    }
    while (at < chunk.length) {
      if (!isKnown(chunk[at]!)) return this.#lose(chunk[at]!);
      if (chunk.length - at < HEADER_BYTES) break;
      const end = at + 1 + chunk.readUInt32BE(at + 1);
      if (end > chunk.length) break;
      if (!this.#take(chunk, at, end)) return this.#handBack(chunk.subarray(at));
      at = end;
    }
    if (at < chunk.length) this.#hold(chunk, at, chunk.length);
  };

  /** Takes a whole message. @returns false when it is the last one, which belongs to pg with all that follows. */
  #take(bytes: Buffer, at: number, end: number): boolean {
    const type = bytes[at]!;
    if (type === COPY_DATA) {
      if (this.#failure === undefined) this.#give(bytes, at + HEADER_BYTES, end);
    } else if (type === READY_FOR_QUERY) {
      return false;
    } else {
      for (const listener of this.#listeners) listener(bytes.subarray(at, end));
    }
    return true;
  }

  /** Ends the connection: what the bytes mean is not known any more. */
  #lose(type: number): void {
    this.#failure = new Error(`The server sent a message of type ${type} in the answer to COPY.`);
    this.#stream?.off('data', this.#onChunk);
    this.#stream?.destroy(this.#failure);
  }

  #give(bytes: Buffer, from: number, to: number): void {
    try {
      this.#sink.onData(bytes, from, to);
    } catch (error) {
      // The rest has still to be read before the connection can be used again.
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  #handBack(...rest: readonly Buffer[]): void {
    this.#stream?.off('data', this.#onChunk);
    for (const listener of this.#listeners) {
      this.#stream?.on('data', listener);
      for (const bytes of rest) if (bytes.length > 0) listener(bytes);
    }
  }

  #hold(chunk: Buffer, from: number, to: number): void {
    const length = this.#heldLength + to - from;
    if (length > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(length * 2);
      this.#held.copy(larger, 0, 0, this.#heldLength);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldLength, from, to);
    this.#heldLength = length;
  }

  /** Holds more of the message that has begun, up to its end. @returns where the rest of the chunk begins. */
  #holdMore(chunk: Buffer, at: number): number {
    const wanted = this.#heldLength < HEADER_BYTES ? HEADER_BYTES : 1 + this.#held.readUInt32BE(1);
    const end = Math.min(chunk.length, at + wanted - this.#heldLength);
    this.#hold(chunk, at, end);
    return end;
  }

  get #isHeldWhole(): boolean {
    return this.#heldLength >= HEADER_BYTES && this.#heldLength === 1 + this.#held.readUInt32BE(1);
  }
}

function isKnown(type: number): boolean {
  return type === COPY_DATA || type === READY_FOR_QUERY || OTHER_TYPES.has(type);
}
