import type { ChatChanges, Committed } from '../../../storage/write/change.js';
import type { LaneMessage } from './bus-link.js';
import { encodeChanges, encodeHead, encodeVersion } from './change-codec.js';

/** Characters of changes that may wait; past it, versions only. Less would lose bursts, more would be memory for a bus that is too slow anyway. */
const MAX_WAITING_LENGTH = 8 * 2 ** 20;

/** Chats whose versions may wait; past it nothing is told of further ones. */
const MAX_WAITING_VERSIONS = 10_000;

/** Characters that one send takes, about: what comes meanwhile waits until it is done. */
const MAX_SEND_LENGTH = 2 ** 19;

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
  readonly parts: string[];
  bytes: number;
}

interface Frame {
  readonly run: string;
  readonly chatId: string;
  readonly version: number;
  readonly text: string;
  /** Of the text in UTF-8. */
  readonly bytes: number;
}

/** What waits for being sent by a bus, in bounded memory: changes in full, past that chats' versions, past that nothing. */
export class Outbox {
  readonly #frames: Frame[] = [];
  /** Newest versions of chats whose changes are not told, in the order in which they came. */
  readonly #versions = new Map<string, { readonly run: string; readonly version: number }>();
  #waitingLength = 0;
  #versionOnly = 0;
  #dropped = 0;

  constructor(private readonly shape: OutboxShape) {}

  get isEmpty(): boolean {
    return this.#frames.length === 0 && this.#versions.size === 0;
  }

  /** Times that a chat's version was told without the changes, or was to be told. */
  get versionOnly(): number {
    return this.#versionOnly;
  }

  /** Times that not even a version could wait. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Characters that wait. */
  get waitingLength(): number {
    return this.#waitingLength;
  }

  /** Adds changes; in full if there is room, and `inFull`. */
  add(run: string, changes: Committed<ChatChanges>, inFull: boolean): void {
    const { chatId } = changes;
    const { version } = changes.changes.at(-1)!;
    if (inFull && this.#waitingLength < MAX_WAITING_LENGTH) {
      const text = encodeChanges(changes);
      const bytes = Buffer.byteLength(text);
      if (bytes <= this.shape.maxMessageBytes - HEAD_BYTES) {
        this.#frames.push({ run, chatId, version, text, bytes });
        this.#waitingLength += text.length;
        return;
      }
    }
    this.#addVersion(run, chatId, version);
  }

  /** Gives up what waits in full, and keeps the versions: it would come too late. */
  forgetChanges(): void {
    for (const { run, chatId, version } of this.#frames) this.#addVersion(run, chatId, version);
    this.#frames.length = 0;
    this.#waitingLength = 0;
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
    const taken = this.#takeFrames();
    const messages: LaneMessage[] = [];
    const open = new Map<number, OpenMessage>();
    const close = (lane: number, { parts }: OpenMessage): void => void messages.push({ lane, text: parts.join('') });
    for (const { run, chatId, text, bytes } of taken) {
      const lane = laneOf(chatId);
      let message = open.get(lane);
      if (message !== undefined && (message.run !== run || message.bytes + bytes > this.shape.maxMessageBytes)) {
        close(lane, message);
        message = undefined;
      }
      if (message === undefined) {
        const head = encodeHead({ sender: this.shape.sender, sentAtMs, beat, run });
        message = { run, parts: [head], bytes: Buffer.byteLength(head) };
        open.set(lane, message);
      }
      message.parts.push(text);
      message.bytes += bytes;
    }
    for (const [lane, message] of open) close(lane, message);
    const undo = (): void => {
      for (const { run, chatId, version } of taken) this.#addVersion(run, chatId, version);
    };
    return { messages, undo };
  }

  #takeFrames(): Frame[] {
    let length = 0;
    let count = 0;
    while (count < this.#frames.length && length < MAX_SEND_LENGTH) length += this.#frames[count++]!.text.length;
    const taken = this.#frames.splice(0, count);
    this.#waitingLength -= length;
    for (const [chatId, { run, version }] of this.#versions) {
      if (length >= MAX_SEND_LENGTH) break;
      const text = encodeVersion(chatId, version);
      length += text.length;
      taken.push({ run, chatId, version, text, bytes: text.length });
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
