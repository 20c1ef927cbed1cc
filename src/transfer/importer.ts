import type { Database } from '../storage/database.js';
import { ImportRepository, prepareMessage } from '../storage/import-repository.js';
import type { PreparedMessage } from '../storage/message-placing.js';
import type { ChatLine } from '../storage/transfer-records.js';
import { BATCH_ROWS, ImportLane, type Numbered } from './import-lane.js';
import { findDataFile, readLines } from './line-reader.js';
import { BadLineError, ChatIdMapper, parseChatLine, parseMessageLine, parseUserLine } from './parse-lines.js';

/** Messages kept in memory because one with a lower seq has not come yet. */
const EARLY_LIMIT = 200_000;

/** Transactions in flight, over different chats: two keep the database busy while lines are read. */
const LANES = 2;

/** Told how an import goes. */
export interface ImportListener {
  /** A file has been read this far, 0 to 1; `rows` of it are imported. */
  onProgress?(file: string, progress: number, rows: number): void;
  /** A line was refused; the rest goes on. */
  onRefused?(file: string, lineNumber: number, reason: string): void;
}

/** What an import came to. */
export interface ImportReport {
  readonly users: number;
  /** Chats that were not there before. */
  readonly chats: number;
  /** Messages that were not there before. */
  readonly messages: number;
  /** Messages that were there already. */
  readonly present: number;
  /** Lines that could not be imported. */
  readonly refused: number;
}

/** A strict import met a line that it cannot import. What came before it is imported. */
export class ImportStoppedError extends Error {
  override readonly name = 'ImportStoppedError';
}

interface NumberedMessage extends PreparedMessage {
  readonly lineNumber: number;
}

/**
 * Imports a folder of `users.jsonl`, `chats.jsonl` and `messages.jsonl`, plain or compressed.
 *
 * A second run adds nothing twice: messages with a seq are recognised by it, the others by a client id made of what they
 * say. While batches are written the next ones are read.
 */
export class Importer {
  readonly #repository: ImportRepository;
  readonly #ids = new ChatIdMapper();
  readonly #listsParticipants = new Set<string>();
  /** Where the lines of chats end in which messages are missing. */
  readonly #lastSeqs = new Map<string, number>();
  readonly #occurrences = new Map<string, number>();
  readonly #early = new Map<string, NumberedMessage[]>();
  #earlyCount = 0;
  #users = 0;
  #chats = 0;
  #messages = 0;
  #present = 0;
  #refused = 0;

  constructor(
    database: Database,
    private readonly listener: ImportListener = {},
    /** Stop at the first line that cannot be imported. */
    private readonly isStrict = false,
  ) {
    this.#repository = new ImportRepository(database);
  }

  /**
   * Imports a folder.
   *
   * @throws ImportStoppedError when strict and a line is bad; Error when `chats.jsonl` or `messages.jsonl` is missing.
   */
  async run(folder: string): Promise<ImportReport> {
    const users = await findDataFile(folder, 'users.jsonl');
    const chats = await findDataFile(folder, 'chats.jsonl');
    const messages = await findDataFile(folder, 'messages.jsonl');
    if (chats === undefined || messages === undefined) {
      throw new Error(
        `${folder} has no chats.jsonl and messages.jsonl (or .jsonl.gz): it is not in the import format.`,
      );
    }
    if (users !== undefined) {
      await this.#readFile(users, parseUserLine, async (rows) => {
        await this.#repository.importUsers(rows.map((row) => row.value));
        this.#users += rows.length;
      });
    }
    await this.#readFile(
      chats,
      (line) => parseChatLine(line, this.#ids),
      (rows) => this.#importChats(rows),
    );
    await this.#readFile(
      messages,
      (line) => prepareMessage(parseMessageLine(line, this.#ids, (key) => this.#countOccurrence(key))),
      (rows) =>
        this.#importMessages(
          messages,
          rows.map(({ value, lineNumber }) => ({ ...value, lineNumber })),
        ),
      ({ message }) => laneOfChat(message.chatId),
    );
    await this.#beginLater(messages);
    this.#refuseEarly(messages);
    await this.#repository.finish(this.#lastSeqs);
    return {
      users: this.#users,
      chats: this.#chats,
      messages: this.#messages,
      present: this.#present,
      refused: this.#refused,
    };
  }

  /**
   * Reads a file line by line into batches. Each is written while the next ones are read, at most one of a lane at a
   * time: what has to stay in order shares a lane.
   */
  async #readFile<T>(
    file: string,
    parse: (line: string) => T,
    write: (rows: readonly Numbered<T>[]) => Promise<void>,
    laneOf: (value: T) => number = () => 0,
  ): Promise<void> {
    const lanes = Array.from({ length: LANES }, () => new ImportLane<T>(write));
    let rows = 0;
    for await (const chunk of readLines(file)) {
      for (let index = 0; index < chunk.lines.length; index++) {
        const line = chunk.lines[index]!;
        if (line.trim() === '') continue;
        const lineNumber = chunk.firstNumber + index;
        try {
          const value = parse(line);
          const waiting = lanes[laneOf(value)]!.add({ value, lineNumber });
          if (waiting !== undefined) await waiting;
          rows++;
        } catch (error) {
          if (!(error instanceof BadLineError)) throw error;
          // A strict import stops here, with what came before it imported.
          if (this.isStrict) for (const lane of lanes) await lane.end();
          this.#refuse(file, lineNumber, error.message);
        }
      }
      this.listener.onProgress?.(file, chunk.progress, rows);
    }
    for (const lane of lanes) await lane.end();
    this.listener.onProgress?.(file, 1, rows);
  }

  async #importChats(rows: readonly { readonly value: ChatLine }[]): Promise<void> {
    const byId = [...new Map(rows.map(({ value }) => [value.chatId, value])).values()];
    for (const { chatId, participants, lastSeq } of byId) {
      if (participants !== undefined) this.#listsParticipants.add(chatId);
      if (lastSeq !== null) this.#lastSeqs.set(chatId, lastSeq);
    }
    this.#chats += await this.#repository.importChats(byId);
  }

  async #importMessages(
    file: string,
    rows: readonly NumberedMessage[],
    beginsLater: ReadonlySet<string> = new Set(),
  ): Promise<void> {
    const rules = { listsParticipants: this.#listsParticipants, hasHoles: this.#lastSeqs, beginsLater };
    let ready = this.#withEarly(rows);
    while (ready.length > 0) {
      const outcomes = await this.#repository.importMessages(ready, rules);
      const advanced = new Set<string>();
      ready.forEach((row, index) => {
        const outcome = outcomes[index]!;
        if (outcome === 'added') {
          this.#messages++;
          advanced.add(row.message.chatId);
        } else if (outcome === 'present') this.#present++;
        else if (outcome === 'early') this.#keepEarly(row);
        else this.#refuse(file, row.lineNumber, outcome.refused);
      });
      // What had to wait for a message of this batch may follow it now.
      ready = [...advanced].flatMap((chatId) => this.#takeEarly(chatId));
    }
  }

  /** Adds to a batch what waits in its chats, each chat's messages that name a seq in ascending order. */
  #withEarly(rows: readonly NumberedMessage[]): NumberedMessage[] {
    const waiting = new Set(rows.map(({ message }) => message.chatId).filter((chatId) => this.#early.has(chatId)));
    const all = [...rows, ...[...waiting].flatMap((chatId) => this.#takeEarly(chatId))];
    return isAscending(all) ? all : all.sort(bySeq);
  }

  #takeEarly(chatId: string): NumberedMessage[] {
    const rows = this.#early.get(chatId) ?? [];
    this.#early.delete(chatId);
    this.#earlyCount -= rows.length;
    return rows.sort(bySeq);
  }

  #keepEarly(row: NumberedMessage): void {
    if (this.#earlyCount === EARLY_LIMIT) {
      throw new ImportStoppedError(
        `More than ${EARLY_LIMIT} messages come before their turn. Sort messages.jsonl by seq.`,
      );
    }
    const rows = this.#early.get(row.message.chatId);
    if (rows === undefined) this.#early.set(row.message.chatId, [row]);
    else rows.push(row);
    this.#earlyCount++;
  }

  /** A chat of which nothing has come but messages with higher seqs begins with the lowest of them: what was before it was purged. */
  async #beginLater(file: string): Promise<void> {
    for (const chatId of [...this.#early.keys()]) {
      const rows = this.#takeEarly(chatId);
      for (let from = 0; from < rows.length; from += BATCH_ROWS) {
        await this.#importMessages(file, rows.slice(from, from + BATCH_ROWS), new Set([chatId]));
      }
    }
  }

  /** What is still waiting at the end waits for a message that is not there. */
  #refuseEarly(file: string): void {
    for (const rows of this.#early.values()) {
      for (const { message, lineNumber } of rows) {
        this.#refuse(file, lineNumber, `seq: ${message.seq} would leave a hole in the chat before it`);
      }
    }
  }

  #refuse(file: string, lineNumber: number, reason: string): void {
    this.#refused++;
    this.listener.onRefused?.(file, lineNumber, reason);
    if (this.isStrict) throw new ImportStoppedError(`${file}:${lineNumber}: ${reason}`);
  }

  #countOccurrence(key: string): number {
    const count = (this.#occurrences.get(key) ?? 0) + 1;
    this.#occurrences.set(key, count);
    return count;
  }
}

/** Any even share of the chats will do: the last digit of the id. */
function laneOfChat(chatId: string): number {
  return Number.parseInt(chatId.slice(-1), 16) % LANES;
}

function bySeq(one: NumberedMessage, other: NumberedMessage): number {
  const { seq } = one.message;
  const { seq: otherSeq } = other.message;
  return seq === null || otherSeq === null ? one.lineNumber - other.lineNumber : seq - otherSeq;
}

/** Whether the messages of each chat come in the order of their seqs already, as they do in most files. */
function isAscending(rows: readonly NumberedMessage[]): boolean {
  const last = new Map<string, number>();
  for (const { message } of rows) {
    if (message.seq === null) continue;
    if (message.seq < (last.get(message.chatId) ?? 0)) return false;
    last.set(message.chatId, message.seq);
  }
  return true;
}
