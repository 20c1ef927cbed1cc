/**
 * What clients have done to chats and what they were told, as it is checked when all is over. Times are those of one monotonic
 * clock, in milliseconds: that of the process that runs all clients.
 */
export interface History {
  /** How old an answer may be at most, unless it says that it is stale. */
  readonly boundMs: number;
  readonly reads: readonly HistoryRead[];
  readonly writes: readonly HistoryWrite[];
  readonly sends: readonly HistorySend[];
  readonly chats: readonly ChatAtEnd[];
}

/** One answer about one chat. */
export interface HistoryAnswer {
  /** What was asked for. */
  readonly kind: string;
  readonly client: number;
  /** Who answered; `undefined` is the database itself, changed by hand. */
  readonly instance: number | undefined;
  readonly chatId: string;
  /** Before the first try was sent. */
  readonly invokedMs: number;
  /** After the whole answer had come. */
  readonly returnedMs: number;
  /** The version of the chat that the answer says it shows. */
  readonly version: number;
  /** Parts of the chat at that version, by name: `chat`, `message 5`, `participant ann`. */
  readonly facts: Facts;
}

/** Parts of a chat by name. A value may be anything that tells one state of the part from another. */
export type Facts = ReadonlyMap<string, string>;

/** A read that was answered. */
export interface HistoryRead extends HistoryAnswer {
  /** Whether the answer says that it may be older than the bound. */
  readonly isStale: boolean;
  /** The version that the client asked for at least; `undefined` when it did not. */
  readonly minVersion: number | undefined;
}

/** A write that was acknowledged. */
export interface HistoryWrite extends HistoryAnswer {
  /**
   * Whether the version is the one that this write has made, so that nobody can have seen it before. Not so for a write that
   * was tried again, or that may have changed nothing.
   */
  readonly raises: boolean;
}

/** A message that somebody has begun to send, acknowledged or not. */
export interface HistorySend {
  readonly chatId: string;
  readonly senderId: string;
  /** `undefined`: inserted by hand, and known by its text. */
  readonly clientId: string | undefined;
  /** The text sent, and those of all edits that were begun. */
  readonly texts: string[];
  /** Whether somebody has begun to delete it. */
  isDeleted: boolean;
  /** Where it was told to be; `undefined` until it is acknowledged. */
  seq: number | undefined;
}

/** A chat in the database when all clients are at rest. */
export interface ChatAtEnd {
  readonly chatId: string;
  readonly version: number;
  readonly lastSeq: number;
  /** Parts with the version of their last change. */
  readonly facts: ReadonlyMap<string, { readonly version: number; readonly value: string }>;
  readonly rows: readonly MessageRow[];
}

/** A row of `message`. */
export interface MessageRow {
  readonly seq: number;
  readonly version: number;
  readonly senderId: string;
  readonly clientId: string | undefined;
  /** `undefined` once it is deleted. */
  readonly text: string | undefined;
}
