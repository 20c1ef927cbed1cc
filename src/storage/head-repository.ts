import { Injectable } from '@nestjs/common';
import { orUnavailable } from './database-unavailable.js';
import { Database } from './database.js';
import {
  FIND_CHATS_OF,
  FIND_MEMBERSHIPS,
  FIND_VERSIONS,
  POLL_HEADS,
  POLL_MORE_HEADS,
  SETTLE_HEADS,
} from './statements/poll-heads.js';
import { FIND_DATABASE } from './statements/find-database.js';
import { isReadOnly } from './sqlstate.js';

/** Rows of one page of a look. Too few and an import makes many queries, too many and one of them holds the event loop. */
const POLL_PAGE = 5000;

/** A chat that has changed, and the version it has reached. */
export interface ChangedHead {
  readonly chatId: string;
  readonly version: number;
}

/** What versions are told of. */
export interface DatabaseRun {
  /** Identity of the database's history: versions are comparable within one. */
  readonly epoch: string;
  /** Identity of the server's run in that history: the content of a version is one within it. A crash begins another, and so does a start. */
  readonly run: string;
}

/** A part of a look at what has changed. */
export interface HeadPoll extends DatabaseRun {
  /** To be given to the next look, by the first part of this one. Opaque. */
  readonly horizon: string;
  readonly changed: readonly ChangedHead[];
  /** To be given back for the next part; `undefined` behind the last. */
  readonly next: PollPlace | undefined;
}

/** Where a part of a look ends. */
export interface PollPlace {
  /** Horizon of the look that it continues. */
  readonly since: string;
  readonly changedSpan: string;
  readonly chatId: string;
}

interface PollRow {
  readonly horizon: string;
  readonly epoch: string;
  readonly run: string;
  readonly chat_id: string | null;
  readonly version: string | null;
  readonly changed_span: string | null;
}

/** Reads chats' heads for the coherence of caches. */
@Injectable()
export class HeadRepository {
  constructor(private readonly database: Database) {}

  /** Tells the database from all others, for as long as it is there: unlike the epoch, a failover does not change it. */
  async findDatabaseId(): Promise<string> {
    const [row] = await this.database.query<{ id: string }>('coherence', FIND_DATABASE, []);
    return row!.id;
  }

  /** Looks for chats that have changed since an earlier look; the first look finds none and gives a horizon. */
  async poll(horizon: string | undefined, place?: PollPlace): Promise<HeadPoll> {
    const rows =
      place === undefined
        ? await this.database.query<PollRow>('coherence', POLL_HEADS, [horizon ?? null, POLL_PAGE])
        : await this.database.query<PollRow>('coherence', POLL_MORE_HEADS, [
            place.since,
            POLL_PAGE,
            place.changedSpan,
            place.chatId,
          ]);
    const changed = rows.flatMap((row) =>
      row.chat_id === null ? [] : [{ chatId: row.chat_id, version: Number(row.version) }],
    );
    const last = rows.at(-1)!;
    const since = place?.since ?? horizon;
    const isLast = since === undefined || changed.length < POLL_PAGE;
    const next = isLast ? undefined : { since, changedSpan: last.changed_span!, chatId: last.chat_id! };
    const look = rows[0]!;
    return { horizon: look.horizon, ...runOf(look), changed, next };
  }

  /**
   * Tells the present versions of chats; a chat without one does not exist.
   *
   * @throws ScrollbackError `database_unavailable`.
   */
  async findVersions(
    chatIds: readonly string[],
  ): Promise<DatabaseRun & { readonly versions: ReadonlyMap<string, number> }> {
    const rows = await orUnavailable(
      this.database.query<DatabaseRun & { chat_id: string | null; version: string | null }>(
        'coherence',
        FIND_VERSIONS,
        [chatIds],
      ),
    );
    const versions = new Map<string, number>();
    for (const row of rows) if (row.chat_id !== null) versions.set(row.chat_id, Number(row.version));
    return { ...runOf(rows[0]!), versions };
  }

  /** Mends heads that a dump of another database has brought along, for looks to find less. A server that takes no writes leaves them as they are. */
  async settle(): Promise<void> {
    try {
      await this.database.query('coherence', SETTLE_HEADS, []);
    } catch (error) {
      if (!isReadOnly(error)) throw error;
    }
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

  /** Tells which chats users are in, and their versions. */
  async findChatsOf(userIds: readonly string[]): Promise<{ chatId: string; userId: string; version: number }[]> {
    const rows = await orUnavailable(
      this.database.query<{ chat_id: string; user_id: string; version: string }>('coherence', FIND_CHATS_OF, [userIds]),
    );
    return rows.map((row) => ({ chatId: row.chat_id, userId: row.user_id, version: Number(row.version) }));
  }
}

/** Runs are told apart within one history. */
function runOf({ epoch, run }: DatabaseRun): DatabaseRun {
  return { epoch, run: `${epoch}.${run}` };
}
