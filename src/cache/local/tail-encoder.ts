import { compactJson } from '../../storage/compact-json.js';
import type { MessageRow } from '../../storage/message-row.js';
import type { ReactionSummary } from '../../storage/records.js';
import { JsonWriter } from './json-writer.js';
import { BLOCK_SIZE, MessageBlock } from './message-block.js';

/** The newest messages of a chat, as its entry holds them. */
export interface EncodedTail {
  /** Neighbours, ascending, up to the block of the last seq; none when there is no message. */
  readonly blocks: readonly MessageBlock[];
  /** The message with the chat's last seq, if it is there. */
  readonly last: { readonly json: string; readonly createdAtMs: number } | undefined;
}

const literal = (json: string): Uint8Array => Uint8Array.from(Buffer.from(json));

const COMMA = literal(',');
const OPEN_SEQ = literal('{"seq":');
const SENDER_ID = literal(',"senderId":');
const CLIENT_ID = literal(',"clientId":');
const KIND_SYSTEM = literal(',"kind":"system"');
const TEXT = literal(',"text":');
const NULL = literal('null');
const METADATA = literal(',"metadata":');
const REPLY_TO = literal(',"replyTo":');
const REACTIONS = literal(',"reactions":');
const DELETED = literal(',"deleted":true');
const CREATED_AT = literal(',"createdAt":');
const EDITED_AT = literal(',"editedAt":');
const DELETED_AT = literal(',"deletedAt":');
const CLOSE = literal('}');

/**
 * Encodes messages into blocks straight from the database's bytes: what `MessageBlock.of` makes of the same messages, byte for
 * byte, without a record, a string or a piece of JSON for each message. One chat after the other.
 */
export class TailEncoder {
  readonly #json = new JsonWriter();
  /** Where each message of the present block ends. */
  readonly #ends = new Uint32Array(BLOCK_SIZE);
  #lastSeq = 0;
  #reactions: ReadonlyMap<number, readonly ReactionSummary[]> = new Map();
  #blocks: MessageBlock[] = [];
  #last: EncodedTail['last'];
  #index = -1;
  /** Slots of the present block that are known. */
  #slots = 0;

  /**
   * Begins a chat.
   *
   * @param lastSeq - the chat's newest seq: a seq up to here without a message is a hole.
   * @param reactions - by seq.
   */
  start(lastSeq: number, reactions: ReadonlyMap<number, readonly ReactionSummary[]>): void {
    this.#lastSeq = lastSeq;
    this.#reactions = reactions;
    this.#blocks = [];
    this.#last = undefined;
    this.#index = -1;
  }

  /** Adds a message of the chat. Ascending by seq, none beyond the last. */
  add(row: MessageRow): void {
    const index = MessageBlock.indexOf(row.seq);
    const slot = row.seq - index * BLOCK_SIZE - 1;
    if (this.#index < 0) this.#open(index);
    while (this.#index < index) this.#close(BLOCK_SIZE);
    if (index < this.#index || slot < this.#slots || row.seq > this.#lastSeq) {
      throw new Error(`Message ${row.seq} is out of order.`);
    }
    const json = this.#json;
    this.#skipTo(slot);
    if (json.length > 0) json.raw(COMMA);
    const start = json.length;
    this.#write(row);
    this.#ends[slot] = json.length;
    this.#slots = slot + 1;
    if (row.seq === this.#lastSeq) {
      this.#last = { json: json.bytes.toString('utf8', start, json.length), createdAtMs: row.createdAtMs };
    }
  }

  /** Ends the chat. */
  finish(): EncodedTail {
    if (this.#index >= 0) {
      const lastIndex = MessageBlock.indexOf(this.#lastSeq);
      while (this.#index < lastIndex) this.#close(BLOCK_SIZE);
      this.#close(this.#lastSeq - lastIndex * BLOCK_SIZE);
    }
    return { blocks: this.#blocks, last: this.#last };
  }

  #open(index: number): void {
    this.#index = index;
    this.#slots = 0;
    this.#json.clear();
  }

  /** A seq without a message ends where its predecessor ends. */
  #skipTo(slot: number): void {
    for (; this.#slots < slot; this.#slots++) this.#ends[this.#slots] = this.#json.length;
  }

  #close(slots: number): void {
    this.#skipTo(slots);
    this.#blocks.push(MessageBlock.ofBytes(this.#index, this.#ends.subarray(0, slots), this.#json.bytes));
    this.#open(this.#index + 1);
  }

  /** What `messageJson` writes. */
  #write(row: MessageRow): void {
    const json = this.#json;
    const { bytes } = row;
    json.raw(OPEN_SEQ);
    json.integer(row.seq);
    json.raw(SENDER_ID);
    json.string(bytes, row.senderFrom, row.senderTo);
    if (!Number.isNaN(row.deletedAtMs)) {
      json.raw(DELETED);
      json.raw(CREATED_AT);
      json.time(row.createdAtMs);
      json.raw(DELETED_AT);
      json.time(row.deletedAtMs);
      json.raw(CLOSE);
      return;
    }
    if (row.clientIdFrom >= 0) {
      json.raw(CLIENT_ID);
      json.string(bytes, row.clientIdFrom, row.clientIdTo);
    }
    if (row.isSystem) json.raw(KIND_SYSTEM);
    json.raw(TEXT);
    if (row.textFrom >= 0) json.string(bytes, row.textFrom, row.textTo);
    else json.raw(NULL);
    if (row.metadataFrom >= 0) {
      json.raw(METADATA);
      json.rawText(compactJson(bytes.toString('utf8', row.metadataFrom, row.metadataTo)));
    }
    if (!Number.isNaN(row.replyTo)) {
      json.raw(REPLY_TO);
      json.integer(row.replyTo);
    }
    if (this.#reactions.size > 0) this.#writeReactions(row.seq);
    json.raw(CREATED_AT);
    json.time(row.createdAtMs);
    if (!Number.isNaN(row.editedAtMs)) {
      json.raw(EDITED_AT);
      json.time(row.editedAtMs);
    }
    json.raw(CLOSE);
  }

  #writeReactions(seq: number): void {
    const reactions = this.#reactions.get(seq);
    if (reactions === undefined) return;
    this.#json.raw(REACTIONS);
    this.#json.rawText(JSON.stringify(reactions));
  }
}
