import type { ChatChanges, Committed } from '../../../storage/write/change.js';
import type { LaneMessage } from './bus-link.js';
import { encodeChanges, encodeVersion, type Frame, type MessageHead } from './change-codec.js';
import { MessageWriter } from './message-writer.js';

/**
 * Bytes of changes that may wait; past it, versions only. Less would lose bursts, more would be memory for a bus that is too slow anyway. Messages
 * that are not full have up to as much again.
 */
const MAX_WAITING_BYTES = 8 * 2 ** 20;

/** Chats whose versions may wait; past it nothing is told of further ones. */
const MAX_WAITING_VERSIONS = 10_000;

/** Bytes that one send takes, about: what comes meanwhile waits until it is done. */
const MAX_SEND_BYTES = 2 ** 19;

/** Memory that is kept for the next messages: for two of each lane, one that is filled while the other is sent. */
const MAX_SPARE_BYTES = 2 * 2 ** 20;

/** What was taken out of an {@link Outbox} to be sent. One of the two is to be called when it is known what has become of it. */
export interface Outgoing {
  readonly messages: readonly LaneMessage[];
  /** It was sent: the messages' memory is used for others. */
  done(): void;
  /** It may not have been: versions wait instead of the changes. */
  undo(): void;
}

/** A message, and what it tells. */
interface Packed {
  readonly run: string;
  readonly lane: number;
  readonly writer: MessageWriter;
  readonly told: { readonly chatId: string; readonly version: number }[];
}

/** What waits for being sent by a bus, in bounded memory: changes in full, past that chats' versions, past that nothing. */
export class Outbox {
  /** Messages with changes, in the order in which they were begun. */
  readonly #waiting: Packed[] = [];
  /** The newest of each lane: what comes next is added to it. */
  readonly #open = new Map<number, Packed>();
  #waitingBytes = 0;
  /** Newest versions of chats whose changes are not told, in the order in which they came. */
  readonly #versions = new Map<string, { readonly run: string; readonly version: number }>();
  readonly #spareWriters: MessageWriter[] = [];
  #spareBytes = 0;
  #versionOnly = 0;
  #dropped = 0;

  /** @param maxMessageBytes - that a message may have. */
  constructor(private readonly maxMessageBytes: number) {}

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#versions.size === 0;
  }

  /** Times that a chat's version was told without the changes, or was to be told. */
  get versionOnly(): number {
    return this.#versionOnly;
  }

  /** Times that not even a version could wait. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes of changes that wait. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Adds changes, in full if there is room.
   *
   * @param lane - of the chat; `undefined`: there is none at present, and the version waits alone.
   */
  add(run: string, changes: Committed<ChatChanges>, lane: number | undefined): void {
    const { chatId } = changes;
    const { version } = changes.changes.at(-1)!;
    if (lane !== undefined && this.#waitingBytes < MAX_WAITING_BYTES) {
      const bytes = this.#pack(this.#waiting, this.#open, { run, lane, chatId, version }, encodeChanges(changes));
      this.#waitingBytes += bytes;
      if (bytes > 0) return;
    }
    this.#addVersion(run, chatId, version);
  }

  /** Gives up what waits in full, and keeps the versions: it would come too late. */
  forgetChanges(): void {
    const waiting = this.#waiting.splice(0);
    this.#open.clear();
    this.#waitingBytes = 0;
    this.#addVersions(waiting);
    this.#spare(waiting);
  }

  /**
   * Takes out what waits, as much as one send may have.
   *
   * @param headOf - the head of messages of a run.
   * @param laneOf - the lane of a chat.
   */
  take(headOf: (run: string) => MessageHead, laneOf: (chatId: string) => number): Outgoing {
    const { taken, bytes } = this.#takeWaiting();
    this.#packVersions(taken, bytes, laneOf);
    return {
      messages: taken.map(({ run, lane, writer }) => ({ lane, bytes: writer.finish(headOf(run)) })),
      done: () => this.#spare(taken),
      // Whoever sends may still hold the memory: it is not used again.
      undo: () => this.#addVersions(taken),
    };
  }

  #takeWaiting(): { taken: Packed[]; bytes: number } {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && bytes < MAX_SEND_BYTES) bytes += this.#waiting[count++]!.writer.bytes;
    const taken = this.#waiting.splice(0, count);
    for (const message of taken) if (this.#open.get(message.lane) === message) this.#open.delete(message.lane);
    this.#waitingBytes -= bytes;
    return { taken, bytes };
  }

  /** Adds to what is taken the versions that wait, in messages of their own, as many as there is room for. */
  #packVersions(taken: Packed[], takenBytes: number, laneOf: (chatId: string) => number): void {
    let bytes = takenBytes;
    const open = new Map<number, Packed>();
    for (const [chatId, { run, version }] of this.#versions) {
      if (bytes >= MAX_SEND_BYTES) return;
      const frame = encodeVersion(chatId, version);
      bytes += this.#pack(taken, open, { run, lane: laneOf(chatId), chatId, version }, frame);
      this.#versions.delete(chatId);
    }
  }

  /**
   * Writes a frame into the open message of its lane, or a new one behind the others.
   *
   * @returns the frame's bytes; 0: it is larger than a message may be.
   */
  #pack(
    messages: Packed[],
    open: Map<number, Packed>,
    { run, lane, chatId, version }: { run: string; lane: number; chatId: string; version: number },
    frame: Frame,
  ): number {
    let message = open.get(lane);
    let bytes = message?.run === run ? message.writer.add(frame) : 0;
    if (bytes === 0) {
      message = { run, lane, writer: this.#takeWriter(), told: [] };
      bytes = message.writer.add(frame);
      if (bytes === 0) {
        this.#spare([message]);
        return 0;
      }
      messages.push(message);
      open.set(lane, message);
    }
    message!.told.push({ chatId, version });
    return bytes;
  }

  #takeWriter(): MessageWriter {
    const writer = this.#spareWriters.pop();
    if (writer === undefined) return new MessageWriter(this.maxMessageBytes);
    this.#spareBytes -= writer.memoryBytes;
    return writer;
  }

  #spare(messages: readonly Packed[]): void {
    for (const { writer } of messages) {
      if (this.#spareBytes + writer.memoryBytes > MAX_SPARE_BYTES) return;
      this.#spareBytes += writer.memoryBytes;
      writer.clear();
      this.#spareWriters.push(writer);
    }
  }

  #addVersions(messages: readonly Packed[]): void {
    for (const { run, told } of messages)
      for (const { chatId, version } of told) this.#addVersion(run, chatId, version);
  }

  #addVersion(run: string, chatId: string, version: number): void {
    const known = this.#versions.get(chatId);
    if (known === undefined && this.#versions.size >= MAX_WAITING_VERSIONS) {
      this.#dropped++;
      return;
    }
    this.#versionOnly++;
    if (known === undefined || known.run !== run || known.version < version) {
      this.#versions.set(chatId, { run, version });
    }
  }
}
