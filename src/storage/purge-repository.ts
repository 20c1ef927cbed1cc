import type { Database } from './database.js';
import { FIND_HEADS, LOCK_FREE_HEADS } from './statements/lock-heads.js';
import { BEGIN_PURGE, COUNT_OLDER, LIST_HEADS, PURGE_OLDER, VACUUM_PURGED } from './statements/purge-rows.js';
import { isCanceled, isLockTimeout, isTransient } from './sqlstate.js';

/** Rows that somebody has locked are waited for this long, less than the server takes to look for deadlocks. */
const LOCK_WAIT_MS = 500;

/** What one transaction of a purge did. */
export interface PurgedBatch {
  readonly messages: number;
  /** Chats that somebody else held: nothing of them was deleted. */
  readonly held: readonly OlderMessages[];
}

/** A chat, and how many of its messages are to go. */
export interface OlderMessages {
  readonly chatId: string;
  readonly messages: number;
  /** Seq of the last of them. */
  readonly throughSeq: number;
}

/**
 * Deletes old messages for good, under the same rules as writes: heads are locked first and in the order of their ids, rows are
 * read later, each chat's version is raised in the same transaction. Seqs are not given out again.
 *
 * @remarks Knows nothing of caches: running instances notice by their poll.
 */
export class PurgeRepository {
  constructor(private readonly database: Database) {}

  /** Tells the database's time, which messages are dated by, and how many chats there are. */
  async begin(): Promise<{ readonly nowMs: number; readonly chats: number }> {
    const [row] = await this.database.query<{ now_ms: string; chats: string }>('write', BEGIN_PURGE, []);
    return { nowMs: Number(row!.now_ms), chats: Number(row!.chats) };
  }

  /** Lists chats behind one in the order of their ids, deleted ones too. */
  async listChats(after: string, limit: number): Promise<string[]> {
    const rows = await this.database.query<{ chat_id: string }>('write', LIST_HEADS, [after, limit]);
    return rows.map((row) => row.chat_id);
  }

  /** Tells which of some chats have ever existed, deleted ones too. */
  async findChats(chatIds: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.database.query<{ chat_id: string }>('write', FIND_HEADS, [chatIds]);
    return new Set(rows.map((row) => row.chat_id));
  }

  /** Counts messages from before a time. Chats without any are missing from the answer, which is ordered by id. */
  async countOlder(chatIds: readonly string[], beforeMs: number): Promise<OlderMessages[]> {
    const rows = await this.database.query<{ chat_id: string; messages: string; through_seq: string }>(
      'write',
      COUNT_OLDER,
      [chatIds, beforeMs],
    );
    return rows.map((row) => ({
      chatId: row.chat_id,
      messages: Number(row.messages),
      throughSeq: Number(row.through_seq),
    }));
  }

  /**
   * Deletes messages from before a time in one transaction.
   *
   * @param limit - messages at most. Fewer are deleted only when none is left in the chats that are not `held`.
   * @returns what was deleted; where a row was locked or the database asks to try again, nothing, and all chats as held.
   */
  async purge(chats: readonly OlderMessages[], beforeMs: number, limit: number): Promise<PurgedBatch> {
    try {
      return await this.database.transaction(
        async (transaction) => {
          const heads = await transaction.query<{ chat_id: string }>(LOCK_FREE_HEADS, [
            chats.map(({ chatId }) => chatId),
          ]);
          const isLocked = new Set(heads.map((row) => row.chat_id));
          const locked = chats.filter(({ chatId }) => isLocked.has(chatId));
          const held = chats.filter(({ chatId }) => !isLocked.has(chatId));
          if (locked.length === 0) return { messages: 0, held };
          const rows = await transaction.query<{ messages: string }>(PURGE_OLDER, [
            locked.map(({ chatId }) => chatId),
            locked.map(({ throughSeq }) => throughSeq),
            beforeMs,
            limit,
          ]);
          return { messages: rows.reduce((sum, row) => sum + Number(row.messages), 0), held };
        },
        { lockWaitMs: LOCK_WAIT_MS, answerLimitMs: Infinity },
      );
    } catch (error) {
      if (!isLockTimeout(error) && !isTransient(error)) throw error;
      return { messages: 0, held: chats };
    }
  }

  /** To be called when a purge has come to its end: the room of what was deleted can be used again. */
  async finish(): Promise<void> {
    try {
      await this.database.query('write', VACUUM_PURGED, []);
    } catch (error) {
      // Tables that take longer than a statement may are left to the server, which does it by itself in time.
      if (!isCanceled(error)) throw error;
    }
  }
}
