import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { isGone } from '../faults/durable-database.js';
import type { OperationTally } from '../faults/operation-tally.js';
import { anyFirstChat, anyText } from '../faults/workload.js';
import type { HistorySend } from '../history/history.js';
import type { SharedChat } from './crowd.js';
import type { HistoryRecorder } from './history-recorder.js';

const DEADLOCK = '40P01';
const LONGEST_PAUSE_MS = 400;

/** Longer than any lock is held: an edit that takes longer is stuck. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** Somebody with psql: changes the tables as a person would, and trusts the triggers with the rest. */
export class HandEditor {
  readonly #random: SeededRandom;
  #number = 0;
  /** The session of the last edit, open for the next one. */
  #session: Client | undefined;

  constructor(
    private readonly client: number,
    seed: number,
    private readonly databaseUrl: () => string,
    private readonly chats: readonly SharedChat[],
    private readonly recorder: HistoryRecorder,
    private readonly tally: OperationTally,
  ) {
    this.#random = new SeededRandom(seed * 1000 + client);
  }

  /** Edits until told to stop. */
  async run(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      await this.edit(this.chats[anyFirstChat(this.#random)]!);
      await sleep(this.#random.integer(LONGEST_PAUSE_MS));
    }
    await this.close();
  }

  /** Ends the session. */
  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.end().catch(() => undefined);
  }

  /** Makes an edit in a transaction that stays open until `hold` has ended. @returns whether it was committed. */
  async edit(chat: SharedChat, hold: () => Promise<void> = () => Promise.resolve()): Promise<boolean> {
    const { chatId } = chat;
    const kind = this.#random.pick(['inserted by hand', 'altered by hand', 'titled by hand'] as const);
    const invokedMs = performance.now();
    try {
      this.#session ??= await this.#connect();
      const client = this.#session;
      await client.query('BEGIN');
      const { send, seq } = await this.#change(client, kind, chat);
      const { rows } = await client.query<{ version: number }>(
        'SELECT version::float8 AS version FROM chat_head WHERE chat_id = $1',
        [chatId],
      );
      await hold();
      await client.query('COMMIT');
      if (send !== undefined) send.seq = seq;
      this.recorder.write({
        kind,
        client: this.client,
        instance: undefined,
        chatId,
        invokedMs,
        version: rows[0]!.version,
        raises: true,
      });
      this.tally.of(kind).acknowledged++;
      return true;
    } catch (error) {
      await this.close();
      // An instance wrote the same rows at that moment, and PostgreSQL chose this one to give way: nothing has happened.
      if ((error as { readonly code?: string }).code === DEADLOCK) this.tally.of(kind).refused++;
      else if (isGone(error)) this.tally.of(kind).unknown++;
      else throw error;
      return false;
    }
  }

  async #connect(): Promise<Client> {
    const client = new Client({ connectionString: this.databaseUrl(), application_name: 'hand' });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(`SET statement_timeout = ${STATEMENT_TIMEOUT_MS}`);
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  async #change(
    client: Client,
    kind: 'inserted by hand' | 'altered by hand' | 'titled by hand',
    chat: SharedChat,
  ): Promise<{ send?: HistorySend; seq?: number }> {
    const { chatId, members, sent } = chat;
    const text = anyText(this.#random, `by hand ${this.client}.${++this.#number}`);
    const target = sent.at(-1 - this.#random.integer(10));
    if (kind === 'titled by hand') {
      await client.query('UPDATE chat SET title = $2 WHERE id = $1', [chatId, text]);
      return {};
    }
    if (kind === 'altered by hand' && target !== undefined) {
      target.texts.push(text);
      const { rowCount } = await client.query(
        'UPDATE message SET text = $3 WHERE chat_id = $1 AND seq = $2 AND deleted_at IS NULL',
        [chatId, target.seq, text],
      );
      // Deleted meanwhile: then it is the title that changes, so that every edit makes a version.
      if (rowCount === 0) await client.query('UPDATE chat SET title = $2 WHERE id = $1', [chatId, text]);
      return {};
    }
    const senderId = this.#random.pick(members);
    const send: HistorySend = {
      chatId,
      senderId,
      clientId: undefined,
      texts: [text],
      isDeleted: false,
      seq: undefined,
    };
    this.recorder.sends.push(send);
    await client.query('INSERT INTO message (chat_id, sender_id, text) VALUES ($1, $2, $3)', [chatId, senderId, text]);
    // The trigger gives the place in the line after the row, so that RETURNING does not have it.
    const { rows } = await client.query<{ seq: number }>(
      'SELECT seq::float8 AS seq FROM message WHERE chat_id = $1 AND text = $2',
      [chatId, text],
    );
    return { send, seq: rows[0]!.seq };
  }
}
