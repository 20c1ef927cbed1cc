import { Inject, Injectable } from '@nestjs/common';
import {
  CACHE_OPTIONS,
  DEFAULT_MAX_UNSEEN_CHANGES,
  DEFAULT_STALENESS_BOUND_MS,
  type CacheMode,
  type CacheOptions,
} from './cache-options.js';
import { AppliedLog } from './coherence/applied-log.js';
import { EarlyChanges } from './coherence/early-changes.js';
import { Lease } from './coherence/lease.js';
import type { RepairCause } from './coherence/protocol.js';
import { VersionWaits } from './coherence/version-waits.js';
import type { ChatEntry } from './local/chat-entry.js';
import { DEFAULT_POLICY, makePolicy } from './local/eviction/policies.js';
import { MemoryStore } from './local/memory-store.js';
import { FillBoard } from './read/fill-board.js';

/** What readers work on: what is held, and what is on its way. */
export interface ReadState {
  readonly options: CacheOptions;
  readonly store: MemoryStore;
  readonly board: FillBoard;
  /** Chats that users have joined while their index is on its way. */
  readonly userFills: Map<string, Set<string>>;
  /** Whether reads are answered from what is held, and what is loaded is kept. */
  readonly isHolding: boolean;
  /** Until when what is held may be told as fresh. */
  readonly lease: Lease;
  /** Whether what peers commit is told within milliseconds. */
  readonly hearsPeers: boolean;
  /** Readers who wait for a version to be heard of. */
  readonly waits: VersionWaits;
  /** How what is held came about. */
  readonly applied: AppliedLog;
  /** Learns that a chat has reached a version. */
  noteVersion(chatId: string, version: number, cause: RepairCause): void;
  /** Notes that a user is in a chat: for the index of theirs that is held, and for one that is on its way. */
  addUserChat(userId: string, chatId: string): void;
}

/** What the parts of the cache share, and the mode, which may change at any time. */
@Injectable()
export class CacheState implements ReadState {
  readonly store: MemoryStore;
  readonly board = new FillBoard();
  readonly userFills = new Map<string, Set<string>>();
  readonly lease: Lease;
  readonly waits = new VersionWaits();
  /** Changes that have come before those they follow. */
  readonly early = new EarlyChanges();
  readonly applied = new AppliedLog();
  /** Told when the poll finds that a chat which is held has changed, by who does not tell of it. */
  onFoundChanged: (chatId: string, version: number) => void = () => undefined;
  /** Whether peers' messages can be expected to come; the poller knows. */
  hearsPeers = false;
  /** Run of the server that the last look was at, within the epoch; `undefined` before the first. */
  run: string | undefined;
  /** Run of the server that what is held was compared with; `undefined` while there is none. */
  comparedRun: string | undefined;
  readonly #maxUnseenChanges: number;
  #mode: CacheMode;
  #epoch: string | undefined;

  constructor(@Inject(CACHE_OPTIONS) readonly options: CacheOptions) {
    this.store = storeOf(options, options.maxBytes);
    this.lease = new Lease(options.stalenessBoundMs ?? DEFAULT_STALENESS_BOUND_MS);
    this.#maxUnseenChanges = options.maxUnseenChanges ?? DEFAULT_MAX_UNSEEN_CHANGES;
    this.#mode = options.mode;
  }

  /** Identity of the database's history that versions belong to; `undefined` before the first look. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /**
   * The database is another one than before, or has another past: nothing held and nothing on its way means anything any more.
   *
   * @param run - of the server, where a look has told it. Until then nothing is told to peers, who could take it for the history before.
   */
  beginEpoch(epoch: string, run?: string): void {
    this.#epoch = epoch;
    this.run = run;
    this.comparedRun = undefined;
    this.store.clear();
    this.board.voidAll();
    // An index that is on its way is used by who waits for it, and not kept.
    this.userFills.clear();
    this.early.clear();
    this.lease.revoke();
  }

  /**
   * Learns that a chat has reached a version: fills on their way may not install less, and an entry at less is behind.
   *
   * @param cause - how it was learned.
   */
  noteVersion(chatId: string, version: number, cause: RepairCause): void {
    this.#noteVersion(this.store.getChat(chatId), chatId, version, cause);
  }

  /** Whether changes of peers are worth applying to what is held of a chat: somebody reads it here. */
  isSought(entry: ChatEntry): boolean {
    return entry.unseenChanges < this.#maxUnseenChanges;
  }

  /** Learns of changes of a chat that nobody reads here: all of them from one version to another, and not what they are. */
  noteSkipped(chatId: string, from: number, to: number): void {
    const entry = this.store.getChat(chatId);
    entry?.skip(from, to);
    this.#noteVersion(entry, chatId, to, 'bus');
    // Who waits for it has it repaired.
    this.waits.note(chatId, to);
  }

  #noteVersion(entry: ChatEntry | undefined, chatId: string, version: number, cause: RepairCause): void {
    this.board.noteVersion(chatId, version);
    if (entry === undefined) return;
    if (cause === 'read') entry.tell(version);
    if (entry.heardVersion >= version) return;
    entry.hear(version, cause);
    if (cause === 'poll') this.onFoundChanged(chatId, version);
  }

  addUserChat(userId: string, chatId: string): void {
    this.store.addUserChat(userId, chatId);
    this.userFills.get(userId)?.add(chatId);
  }

  /** The present mode. */
  get mode(): CacheMode {
    return this.#mode;
  }

  get isHolding(): boolean {
    return this.#mode !== 'off';
  }

  /**
   * Changes the mode. Off, everything held is given back; on again, the cache begins empty. What others change is followed in
   * every mode, so nothing can be missed in between.
   */
  setMode(mode: CacheMode): void {
    this.#mode = mode;
    if (mode === 'off') this.store.clear();
  }

  /** A state for readers that go past the cache: it holds nothing, ever. */
  past(): ReadState {
    const { options, lease, waits } = this;
    return {
      options,
      store: storeOf(options, 0),
      board: new FillBoard(),
      userFills: new Map(),
      isHolding: false,
      lease,
      hearsPeers: false,
      waits,
      applied: new AppliedLog(),
      noteVersion: () => undefined,
      addUserChat: () => undefined,
    };
  }
}

function storeOf({ policy = DEFAULT_POLICY }: CacheOptions, maxBytes: number): MemoryStore {
  return new MemoryStore(maxBytes, (capacityBytes) => makePolicy(policy, capacityBytes));
}
