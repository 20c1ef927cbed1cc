import { Injectable } from '@nestjs/common';
import { readChatRow, type LoadChatRow, type LoadedChat } from './chat-repository.js';
import { Database } from './database.js';
import { orUnavailable } from './database-unavailable.js';
import { MessageRow, type MessageRowSink } from './message-row.js';
import type { ReactionSummary } from './records.js';
import { COPY_TAILS, LOAD_TAIL_CHATS, SET_TAILS } from './statements/load-tails.js';
import { summarizeReactions } from './statements/read-rows.js';

/** A chat without its messages, and the reactions to those, by seq. */
export interface TailChat {
  readonly loaded: LoadedChat;
  readonly reactions: ReadonlyMap<number, readonly ReactionSummary[]>;
}

/** Takes chats, and then the messages of their tails. */
export interface TailSink extends MessageRowSink {
  /** Told once, before any message. Chats that never existed are missing. */
  onChats(chats: readonly TailChat[]): void;
}

/** Reads many chats at once, their messages as a stream of rows of which none becomes an object. */
@Injectable()
export class TailRepository {
  constructor(private readonly database: Database) {}

  /**
   * Reads chats with their newest messages as one snapshot has them, and gives them to a sink as they come.
   *
   * @param tail - how many of the newest messages are wanted at least; 1 or more.
   * @param blockSize - what is read of the messages starts at a multiple of this.
   * @throws ScrollbackError `database_unavailable`, or what the sink throws. The sink may have been given a part by then.
   */
  async loadTails(chatIds: readonly string[], tail: number, blockSize: number, sink: TailSink): Promise<void> {
    await orUnavailable(
      this.database.snapshot(async (transaction) => {
        const [, rows] = await Promise.all([
          transaction.query(SET_TAILS, [chatIds.join(','), tail, blockSize]),
          transaction.query<LoadChatRow>(LOAD_TAIL_CHATS, [chatIds, tail, blockSize]),
        ]);
        sink.onChats(
          rows.map((row) => ({
            loaded: readChatRow({ ...row, reactions: null }),
            reactions: summarizeReactions(row.reactions ?? []),
          })),
        );
        const row = new MessageRow(sink);
        await transaction.copyOut(COPY_TAILS, row);
        if (!row.isComplete) throw new Error('The messages ended before their last one.');
      }),
    );
  }
}
