/** A write of a scenario and the instance it goes through; `hand`: somebody with psql, who tells no instance. */
export interface WriterPlan {
  readonly at: 0 | 1 | 'hand';
  /** `leave`: a member goes. `memberSend`: that member sends, which is refused once they are gone. */
  readonly kind: 'send' | 'leave' | 'memberSend';
  /** Whether its connection may break at COMMIT; the write is then sent again, with the same client id. */
  readonly mayBreak?: boolean;
}

/** What may happen in a search. What is not allowed here does not happen. */
export interface Scenario {
  readonly name: string;
  /** By default 2. One is enough, and much less to search, where nothing goes over the bus. */
  readonly instances?: 1 | 2;
  readonly writers: readonly WriterPlan[];
  /** Whether the chat is absent until the first write creates it. */
  readonly startsAbsent?: boolean;
  /**
   * Whether messages are taken from the bus unheard. Needed only where nobody polls: else a message that is never
   * delivered, which is always possible, is lost as well.
   */
  readonly isLossy?: boolean;
  /** Whether anything may happen between a poll's start, the database's answer and its handling. */
  readonly hasSlowPolls?: boolean;
  /** Whether fills and polls end in errors, and transactions are rolled back. */
  readonly hasFailures?: boolean;
  /** Messages that the bus delivers twice. */
  readonly repeats?: number;
  readonly evictions?: number;
  /** Instances that are killed and start again. */
  readonly crashes?: number;
  /** Failovers to a standby that may lack the last commits. */
  readonly failovers?: number;
  /** Whether a clock ticks, without end; otherwise there is no time, and no lease. */
  readonly hasClock?: boolean;
  /** Whether readers send `Min-Chat-Version`. */
  readonly hasTokens?: boolean;
  /** Whether changes that came too early are forgotten at any time, as when there are too many. */
  readonly forgetsEarly?: boolean;
  /** The one thing that is done wrong; absent: the protocol as it should be. */
  readonly flaw?: Flaw;
}

/** Ticks for which what is confirmed may be served: the staleness bound. */
export const LEASE_TICKS = 1;

/**
 * The time it always is: a tick makes everything else one tick older. What is older than the bound can tell is of the
 * time 0, so that the clock may tick for ever and the states are finite all the same.
 */
export const NOW = LEASE_TICKS + 1;

/** A way of doing it wrong. Most of them are what caches in use do. */
export type Flaw =
  | 'naive install'
  | 'no minimum in flight'
  | 'minimum only for what is held'
  | 'absent chat forgotten during a fill'
  | 'joining an old flight'
  | 'token does not raise the minimum'
  | 'two-statement fill'
  | 'cursor by id'
  | 'publish before commit'
  | 'apply without version check'
  | 'entry served below what was heard'
  | 'nothing on reconnect'
  | 'bus only'
  | 'hand edit leaves no trace'
  | 'unknown outcome cached'
  | 'replay not heard'
  | 'no epoch'
  | 'epoch learned by the poll alone'
  | 'epoch keeps fills in flight'
  | 'epoch keeps early changes'
  | 'epoch keeps the horizon'
  | 'no lease'
  | 'lease from the end of the poll'
  | 'membership for writes from the cache';
