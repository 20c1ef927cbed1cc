import { Injectable } from '@nestjs/common';
import { Database } from './database.js';
import { FIND_MEMBERSHIPS, POLL_HEADS } from './statements/poll-heads.js';

/** A chat that has changed, and the version it has reached. */
export interface ChangedHead {
  readonly chatId: string;
  readonly version: number;
}

/** One look at what has changed. */
export interface HeadPoll {
  /** To be given to the next look. Opaque. */
  readonly horizon: string;
  readonly changed: readonly ChangedHead[];
}

/** Reads chats' heads for the coherence of caches. */
@Injectable()
export class HeadRepository {
  constructor(private readonly database: Database) {}

  /** Looks for chats that have changed since an earlier look; the first look finds none and gives a horizon. */
  async poll(horizon: string | undefined): Promise<HeadPoll> {
    const rows = await this.database.query<{ horizon: string; chat_id: string | null; version: string | null }>(
      'coherence',
      POLL_HEADS,
      [horizon ?? null],
    );
    return {
      horizon: rows[0]!.horizon,
      changed: rows.flatMap((row) =>
        row.chat_id === null ? [] : [{ chatId: row.chat_id, version: Number(row.version) }],
      ),
    };
  }

  /** Tells which of some users are in which of some chats. */
  async findMemberships(
    chatIds: readonly string[],
    userIds: readonly string[],
  ): Promise<{ readonly chatId: string; readonly userId: string }[]> {
    const rows = await this.database.query<{ chat_id: string; user_id: string }>('coherence', FIND_MEMBERSHIPS, [
      chatIds,
      userIds,
    ]);
    return rows.map((row) => ({ chatId: row.chat_id, userId: row.user_id }));
  }
}
