import type { CopyOutSink } from './copy-out.js';

/** Takes messages one after the other. */
export interface MessageRowSink {
  /** @param row - the same object each time, with the next message in it. */
  onMessage(row: MessageRow): void;
}

/** The first bytes of the binary format. https://www.postgresql.org/docs/current/sql-copy.html */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Flags in the upper half change the format in ways that a reader has to know. */
const CRITICAL_FLAGS = 0xffff0000;
const COLUMNS = 11;
const END_OF_DATA = -1;
/** The binary format counts microseconds from 2000-01-01. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const TWO_TO_32 = 2 ** 32;
/** Upper halves of whole numbers that a double holds exactly. */
const EXACT_HIGH = 2 ** 20;

/**
 * One message as `COPY_TAILS` sends it, where it lies: numbers are read, texts are left as places of UTF-8 in the packet.
 *
 * One object serves for all messages, so reading a message makes none. A text that is absent begins at -1; a number that
 * is absent is `NaN`.
 */
export class MessageRow implements CopyOutSink {
  bytes: Buffer = SIGNATURE;
  /** Which of the chats that were asked for, from 0. */
  chat = 0;
  seq = 0;
  createdAtMs = 0;
  senderFrom = 0;
  senderTo = 0;
  textFrom = 0;
  textTo = 0;
  clientIdFrom = 0;
  clientIdTo = 0;
  isSystem = false;
  /** A JSON object with the white space that jsonb has. */
  metadataFrom = 0;
  metadataTo = 0;
  replyTo = NaN;
  editedAtMs = NaN;
  deletedAtMs = NaN;
  #isBegun = false;
  #isComplete = false;

  constructor(private readonly sink: MessageRowSink) {}

  /** Whether the last message has been read. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  onData(bytes: Buffer, from: number, to: number): void {
    let at = this.#isBegun ? from : this.#readHeader(bytes, from);
    while (at < to) {
      const columns = bytes.readInt16BE(at);
      at += 2;
      if (columns === END_OF_DATA) {
        this.#isComplete = true;
      } else {
        if (columns !== COLUMNS) throw new Error(`A row has ${columns} columns, not ${COLUMNS}.`);
        at = this.#read(bytes, at);
        if (at > to) break;
        this.sink.onMessage(this);
      }
    }
    if (at !== to) throw new Error('A row does not end where its message ends.');
  }

  #readHeader(bytes: Buffer, from: number): number {
    const flagsAt = from + SIGNATURE.length;
    const isKnown = SIGNATURE.equals(bytes.subarray(from, flagsAt));
    if (!isKnown || (bytes.readUInt32BE(flagsAt) & CRITICAL_FLAGS) !== 0) {
      throw new Error('This is not the binary format of COPY.');
    }
    this.#isBegun = true;
    return flagsAt + 8 + bytes.readUInt32BE(flagsAt + 4);
  }

  /** Reads the columns in the order in which the statement names them. @returns where they end. */
  #read(bytes: Buffer, from: number): number {
    this.bytes = bytes;
    let at = from + 4;
    this.chat = readInt32(bytes, at);
    at += 8;
    this.seq = readInt64(bytes, at);
    at += 12;
    this.createdAtMs = readTimeMs(bytes, at);
    at += 8;
    let length = readInt32(bytes, at);
    this.senderFrom = at += 4;
    this.senderTo = at += length;
    length = readInt32(bytes, at);
    at += 4;
    this.textFrom = length < 0 ? -1 : at;
    this.textTo = at += Math.max(length, 0);
    length = readInt32(bytes, at);
    at += 4;
    this.clientIdFrom = length < 0 ? -1 : at;
    this.clientIdTo = at += Math.max(length, 0);
    at += 4;
    this.isSystem = bytes[at] === 1;
    at += 1;
    length = readInt32(bytes, at);
    at += 4;
    this.metadataFrom = length < 0 ? -1 : at;
    this.metadataTo = at += Math.max(length, 0);
    length = readInt32(bytes, at);
    at += 4;
    this.replyTo = length < 0 ? NaN : readInt64(bytes, at);
    at += Math.max(length, 0);
    length = readInt32(bytes, at);
    at += 4;
    this.editedAtMs = length < 0 ? NaN : readTimeMs(bytes, at);
    at += Math.max(length, 0);
    length = readInt32(bytes, at);
    at += 4;
    this.deletedAtMs = length < 0 ? NaN : readTimeMs(bytes, at);
    return at + Math.max(length, 0);
  }
}

function readInt32(bytes: Buffer, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function readInt64(bytes: Buffer, at: number): number {
  return readInt32(bytes, at) * TWO_TO_32 + (readInt32(bytes, at + 4) >>> 0);
}

function readTimeMs(bytes: Buffer, at: number): number {
  const high = readInt32(bytes, at);
  if (high >= EXACT_HIGH || high < -EXACT_HIGH) return Number(bytes.readBigInt64BE(at) / 1000n) + EPOCH_MS;
  return Math.floor(readInt64(bytes, at) / 1000) + EPOCH_MS;
}
