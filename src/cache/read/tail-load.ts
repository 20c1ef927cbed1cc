import type { MessageRow } from '../../storage/message-row.js';
import type { TailChat, TailSink } from '../../storage/tail-repository.js';
import { ChatEntry } from '../local/chat-entry.js';
import { TailEncoder } from '../local/tail-encoder.js';

interface Awaited {
  readonly promise: Promise<ChatEntry>;
  readonly resolve: (entry: ChatEntry) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Chats on their way from the database as a stream. Each is there as soon as its own messages are: nobody waits for the
 * others, and no more than one chat is in memory beside the budget.
 */
export class TailLoad implements TailSink {
  /** The chats that have not come yet. */
  readonly #awaited: Map<string, Awaited>;
  readonly #entries = new Map<string, ChatEntry>();
  readonly #encoder = new TailEncoder();
  readonly #reactions = new Map<string, TailChat['reactions']>();
  /** The chat whose messages are coming. */
  #current: ChatEntry | undefined;
  #position = -1;
  #messages = 0;

  constructor(
    /** Without repetition. */
    readonly chatIds: readonly string[],
  ) {
    this.#awaited = new Map(chatIds.map((chatId) => [chatId, makeAwaited()]));
  }

  /** Messages that have come. */
  get messages(): number {
    return this.#messages;
  }

  /**
   * One of the chats, to be asked for before any has come; not present when it does not exist. Rejects when the load fails
   * before it is there.
   */
  entry(chatId: string): Promise<ChatEntry> {
    return this.#awaited.get(chatId)!.promise;
  }

  onChats(chats: readonly TailChat[]): void {
    for (const { loaded, reactions } of chats) {
      this.#entries.set(loaded.chatId, new ChatEntry(loaded.chatId, loaded));
      if (reactions.size > 0) this.#reactions.set(loaded.chatId, reactions);
    }
  }

  onMessage(row: MessageRow): void {
    if (row.chat !== this.#position) this.#begin(row.chat);
    // What is left of a deleted chat is shown to nobody.
    if (this.#current?.isPresent !== true) return;
    this.#encoder.add(row);
    this.#messages++;
  }

  /** Everything has come. */
  complete(): void {
    this.#end();
    for (const [chatId, { resolve }] of this.#awaited) {
      resolve(this.#entries.get(chatId) ?? new ChatEntry(chatId, undefined));
    }
  }

  /** Nothing more will come. */
  fail(error: unknown): void {
    for (const { reject } of this.#awaited.values()) reject(error);
  }

  #begin(position: number): void {
    this.#end();
    const chatId = this.chatIds[position];
    const entry = chatId === undefined ? undefined : this.#entries.get(chatId);
    if (entry === undefined) throw new Error('A message has come of a chat that was not asked for, or is over.');
    this.#position = position;
    this.#current = entry;
    this.#encoder.start(entry.lastSeq, this.#reactions.get(entry.chatId) ?? NO_REACTIONS);
  }

  #end(): void {
    const entry = this.#current;
    if (entry === undefined) return;
    this.#current = undefined;
    if (entry.isPresent) entry.takeTail(this.#encoder.finish());
    this.#entries.delete(entry.chatId);
    this.#awaited.get(entry.chatId)!.resolve(entry);
    this.#awaited.delete(entry.chatId);
  }
}

const NO_REACTIONS: TailChat['reactions'] = new Map();

function makeAwaited(): Awaited {
  let resolve!: Awaited['resolve'];
  let reject!: Awaited['reject'];
  const promise = new Promise<ChatEntry>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
