import type { ChatChanges, Committed } from '../../../storage/write/change.js';

/** What a peer says about one chat. */
export interface HeardChanges {
  readonly chatId: string;
  /** Run of the database's server that the peer has last seen, its epoch included. */
  readonly run: string;
  /** Version of the chat after the last of the changes. */
  readonly version: number;
  /** The steps that led there, ascending and without a gap; `undefined` when only the version was told, or the listener did not want them. */
  readonly changes: Committed<ChatChanges> | undefined;
  /** Version of the first of the steps that the listener did not want. */
  readonly skippedFrom: number | undefined;
  /** When the peer published it: milliseconds since 1970 by its clock. */
  readonly publishedAtMs: number;
}

/** Who hears what peers publish. */
export interface BusListener {
  /**
   * Whether the changes of a chat are wanted in full; asked before they are parsed. Cheap, must not throw.
   *
   * @param concernsMembers - they say who has come into or left the chat, or made it.
   */
  wants(chatId: string, concernsMembers: boolean): boolean;
  /** Must not throw, must not wait. Never told of this instance's own messages. */
  onHeard(heard: HeardChanges): void;
  /** What was published meanwhile may be lost: the connection was made anew, or for the first time. */
  onGap(): void;
}

/**
 * Tells peers what this instance has committed, and hears what they have. For speed only: it may lose, delay, repeat and reorder
 * (`protocol.ts`).
 */
export interface CoherenceBus {
  readonly name: BusName;
  /** Whether what is published arrives, as far as can be told: own heartbeats have come back lately. `none` is never healthy. */
  readonly isHealthy: boolean;
  /**
   * Connects and listens. Resolves when listening, or after a bounded time when the other side is away; it then goes on trying. Never
   * rejects for that reason.
   */
  start(listener: BusListener): Promise<void>;
  /**
   * Tells peers what this instance has committed, coalesced over a few milliseconds. Never throws, never waits; bounded memory: when it
   * cannot send, versions only and then nothing. Peers' polls find it.
   *
   * @param run - of the database's server, as this instance has last seen it.
   */
  publish(run: string, changes: Committed<ChatChanges>): void;
  /** Sends what waits, within a bounded time, and closes. */
  stop(): Promise<void>;
}

/** How instances tell each other of changes. */
export type BusName = 'none' | 'postgres' | 'redis';

/** Every {@link BusName}. */
export const BUS_NAMES = ['none', 'postgres', 'redis'] as const satisfies readonly BusName[];

/** Injection token of the {@link CoherenceBus}. */
export const COHERENCE_BUS = Symbol('CoherenceBus');
