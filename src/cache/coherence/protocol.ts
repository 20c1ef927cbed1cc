/**
 * How instances stay coherent: the rules.
 *
 * **Truth.** `chat_head.version` in PostgreSQL counts the changes of a chat, one step each, given out under the chat's row lock in the
 * transaction that makes the change. Everything else is a copy that knows its version.
 *
 * **Entry.** What is held of a chat is of one version, `version`, and knows the highest version heard of, `heardVersion`. It is
 * *current* while the two are equal and *behind* while it has heard of more. No reader is served from an entry that is behind.
 *
 * **Change.** A change with version v, from whatever source and however often it comes, meets an entry at e:
 *   - v = e + 1: *apply*. The entry is then at v.
 *   - v <= e: *ignore*. The entry has it.
 *   - v > e + 1: *early*. Something is missing in between: the entry is behind. The change is kept for a while and applied when what is
 *     missing comes: buses bring the changes of two writers in any order.
 *
 * **Skip.** A repair costs what applying some thirty changes does. So many changes of peers are applied to a chat that nobody reads here; of
 * further ones the entry hears the version, as if the peer had told no more, until its next reader has it repaired.
 *
 * **Version heard of.** A peer that tells a version only, the poll, or a query that finds the database ahead makes the entry behind.
 *
 * **Repair.** The next reader of an entry that is behind brings it up to date: by the since-query, which tells everything that has a
 * later version, or by loading it anew where that cannot be told (rows have vanished, too much has changed). Nobody repairs what nobody
 * reads.
 *
 * **Fill.** A load is on the board before its query is sent. It hears of every change and version while the query runs, also of a chat
 * that is not held, and remembers the highest as its minimum. The query reads one snapshot and so knows its version. What was heard is
 * applied to what was read; the result is kept if it is at or above the minimum and newer than what is held, else it is read
 * again. A chat that does not exist is an entry at version 0 under the same rules.
 *
 * **Push.** After its COMMIT a writer tells peers by the bus. Buses may lose, delay, repeat and reorder: by the rules above that costs
 * time and nothing else.
 *
 * **Poll.** Again and again an instance reads the heads that have changed since the last look, in a way that no commit can slip through
 * (`poll-heads.ts`). Coherence holds with the poll alone.
 *
 * **Lease.** What is held counts as fresh from the start of the last good poll for `STALENESS_BOUND_MS`. Past that it is *in doubt*: the
 * first reader asks the database for the version and keeps what has not changed. Without a database, what is held is told as stale or
 * refused.
 *
 * **Unknown outcome.** When the answer to COMMIT is lost, what is held of the chat is dropped, and the poll tells what has become of it.
 *
 * **Break.** A horizon holds for one run of the server: a crash makes it forget ids of transactions that are over, and commits that did not wait
 * for its disk. When the server is in another run than at the last look, the next one begins at a horizon of a minute before it; what has
 * changed since is dropped, and so is what is held at a version that the database does not have (`continuity.ts`).
 *
 * **Shared tier.** What instances share in Redis says of which version it is, and of which run of the server. It is taken at the version that
 * the database tells, of the run in which it tells it: what a crash took back was of an earlier one.
 *
 * **Epoch.** Versions are comparable within one history of one database. When its identity changes (a restore, a failover that lost
 * commits, tables made anew), everything held and every fill on its way is void.
 *
 * **Rights.** Whatever grants a write is decided in the database under the chat's lock, never here.
 *
 * Weaker rules leave something stale for ever; `test/model/` shows for each of them how.
 */

/** What a change means for an entry; see the rules above. */
export type Verdict = 'apply' | 'ignore' | 'early';

/** Judges a change by its version and the entry's. */
export function judge(entryVersion: number, changeVersion: number): Verdict {
  if (changeVersion === entryVersion + 1) return 'apply';
  return changeVersion <= entryVersion ? 'ignore' : 'early';
}

/** From where it was heard that an entry is behind; the `cause` label of `scrollback_coherence_repairs_total`. */
export type RepairCause = 'gap' | 'bus' | 'poll' | 'read' | 'lease';

/** Every {@link RepairCause}. */
export const REPAIR_CAUSES = ['gap', 'bus', 'poll', 'read', 'lease'] as const satisfies readonly RepairCause[];
