import type { ChatChanges, Committed } from '../../../storage/write/change.js';
import type { LaneMessage } from './bus-link.js';
import { encodeChanges, encodeHead, encodeMessage, encodeVersion, type Frame } from './change-codec.js';

/** Bytes of changes that may wait; past it, versions only. Less would lose bursts, more would be memory for a bus that is too slow anyway. */
const MAX_WAITING_BYTES = 8 * 2 ** 20;

/** Chats whose versions may wait; past it nothing is told of further ones. */
const MAX_WAITING_VERSIONS = 10_000;

/** Bytes that one send takes, about: what comes meanwhile waits until it is done. */
const MAX_SEND_BYTES = 2 ** 19;

/** Bytes that the head of a message may take. Epochs and instance ids have well below a hundred characters. */
const HEAD_BYTES = 400;

/** How an {@link Outbox} packs. */
export interface OutboxShape {
  readonly sender: string;
  readonly lanes: number;
  readonly maxMessageBytes: number;
}

interface OpenMessage {
  readonly run: string;
  readonly head: string;
  readonly frames: Frame[];
  bytes: number;
}

/** What a frame tells, and the frame. */
interface Waiting {
  readonly run: string;
  readonly chatId: string;
  readonly version: number;
  readonly frame: Frame;
}

/** What waits for being sent by a bus, in bounded memory: changes in full, past that chats' versions, past that nothing. */
export class Outbox {
  readonly #changes: Waiting[] = [];
  /** Newest versions of chats whose changes are not told, in the order in which they came. */
  readonly #versions = new Map<string, { readonly run: string; readonly version: number }>();
  #waitingBytes = 0;
  #versionOnly = 0;
  #dropped = 0;

  constructor(private readonly shape: OutboxShape) {}

  get isEmpty(): boolean {
    return this.#changes.length === 0 && this.#versions.size === 0;
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

  /** Adds changes; in full if there is room, and `inFull`. */
  add(run: string, changes: Committed<ChatChanges>, inFull: boolean): void {
    const { chatId } = changes;
    const { version } = changes.changes.at(-1)!;
    if (inFull && this.#waitingBytes < MAX_WAITING_BYTES) {
      const frame = encodeChanges(changes);
      if (frame.bytes <= this.shape.maxMessageBytes - HEAD_BYTES) {
        this.#changes.push({ run, chatId, version, frame });
        this.#waitingBytes += frame.bytes;
        return;
      }
    }
    this.#addVersion(run, chatId, version);
  }

  /** Gives up what waits in full, and keeps the versions: it would come too late. */
  forgetChanges(): void {
    for (const { run, chatId, version } of this.#changes) this.#addVersion(run, chatId, version);
    this.#changes.length = 0;
    this.#waitingBytes = 0;
  }

  /**
   * Takes out what waits, as much as one send may have, and packs it.
   *
   * @param laneOf - the lane of a chat.
   * @returns the messages, and `undo`, which puts the versions back when the changes could not be sent.
   */
  take(
    beat: number,
    sentAtMs: number,
    laneOf: (chatId: string) => number,
  ): { messages: LaneMessage[]; undo: () => void } {
    const taken = this.#takeWaiting();
    const messages: LaneMessage[] = [];
    const open = new Map<number, OpenMessage>();
    const close = (lane: number, { head, frames }: OpenMessage): void =>
      void messages.push({ lane, bytes: encodeMessage(head, frames) });
    for (const { run, chatId, frame } of taken) {
      const lane = laneOf(chatId);
      let message = open.get(lane);
      if (message !== undefined && (message.run !== run || message.bytes + frame.bytes > this.shape.maxMessageBytes)) {
        close(lane, message);
        message = undefined;
      }
      if (message === undefined) {
        const head = encodeHead({ sender: this.shape.sender, sentAtMs, beat, run });
        message = { run, head, frames: [], bytes: Buffer.byteLength(head) };
        open.set(lane, message);
      }
      message.frames.push(frame);
      message.bytes += frame.bytes;
    }
    for (const [lane, message] of open) close(lane, message);
    const undo = (): void => {
      for (const { run, chatId, version } of taken) this.#addVersion(run, chatId, version);
    };
    return { messages, undo };
  }

  #takeWaiting(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#changes.length && bytes < MAX_SEND_BYTES) bytes += this.#changes[count++]!.frame.bytes;
    const taken = this.#changes.splice(0, count);
    this.#waitingBytes -= bytes;
    for (const [chatId, { run, version }] of this.#versions) {
      if (bytes >= MAX_SEND_BYTES) break;
      const frame = encodeVersion(chatId, version);
      bytes += frame.bytes;
      taken.push({ run, chatId, version, frame });
      this.#versions.delete(chatId);
    }
    return taken;
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
