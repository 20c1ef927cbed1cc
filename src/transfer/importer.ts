import type { Database } from '../storage/database.js';
import { ImportRepository, prepareMessage } from '../storage/import-repository.js';
import type { PlacingRules, PreparedMessage } from '../storage/message-placing.js';
import type { ChatLine, MessageLine } from '../storage/transfer-records.js';
import { ChatIdsTaken } from './chat-ids-taken.js';
import { EarlyMessages } from './early-messages.js';
import { BATCH_ROWS, ImportLane, type Numbered } from './import-lane.js';
import { findDataFile, readLines } from './line-reader.js';
import {
  BadLineError,
  ChatIdMapper,
  findPlace,
  parseChatLine,
  parseMessageLine,
  parseUserLine,
} from './parse-lines.js';
import { RefusedLines } from './refused-lines.js';

/** Transactions in flight, over different chats: two keep the database busy while lines are read. */
const LANES = 2;

/** Told how an import goes. */
export interface ImportListener {
  /** A file has been read this far, 0 to 1; `rows` of it are imported. */
  onProgress?(file: string, progress: number, rows: number): void;
  /** A line was refused, or a chat's lines behind a hole, of which the first is named; the rest goes on. */
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

/** How an import goes about it. */
export interface ImportOptions {
  /** Stop at the first line that cannot be imported. */
  readonly isStrict?: boolean | undefined;
  /** Longest text, in bytes of UTF-8; absent: any. */
  readonly maxTextBytes?: number | undefined;
}

/** How a file is read. */
interface FileReading<T> {
  /** Reads a line. @throws BadLineError */
  parse(line: string, lineNumber: number): T;
  write(rows: readonly Numbered<T>[]): Promise<void>;
  /** What has to stay in order shares a lane; absent: everything. */
  laneOf?(value: T): number;
  /** Told of a line that was refused. */
  onBad?(line: string, lineNumber: number): void;
}

/**
 * Imports a folder of `users.jsonl`, `chats.jsonl` and `messages.jsonl`, plain or compressed.
 *
 * A second run adds nothing twice: messages with a seq are recognised by it, the others by a client id made of what they
 * say. A message that was refused before and is mended now gets its place. While batches are written the next ones are read.
 */
export class Importer {
  readonly #repository: ImportRepository;
  readonly #ids = new ChatIdMapper();
  readonly #taken = new ChatIdsTaken();
  readonly #refusedLines = new RefusedLines();
  readonly #listsParticipants = new Set<string>();
  /** Where the lines of chats end in which messages are missing. */
  readonly #lastSeqs = new Map<string, number>();
  /** New chats of which nobody said when they were created. */
  readonly #undated = new Set<string>();
  readonly #occurrences = new Map<string, number>();
  readonly #early = new EarlyMessages();
  #users = 0;
  #chats = 0;
  #messages = 0;
  #present = 0;
  #refused = 0;

  constructor(
    database: Database,
    private readonly listener: ImportListener = {},
    private readonly options: ImportOptions = {},
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
      await this.#readFile(users, {
        parse: parseUserLine,
        write: async (rows) => {
          await this.#repository.importUsers(rows.map((row) => row.value));
          this.#users += rows.length;
        },
      });
    }
    const nowMs = Date.now();
    await this.#readFile(chats, {
      parse: (line, lineNumber) => {
        const chat = parseChatLine(line, this.#ids, nowMs);
        this.#taken.take(chat, lineNumber);
        return chat;
      },
      write: (rows) => this.#importChats(rows),
    });
    await this.#readFile(messages, {
      parse: (line, lineNumber) => prepareMessage(this.#parseMessage(line), lineNumber),
      write: (rows) =>
        this.#importMessages(
          messages,
          rows.map((row) => row.value),
        ),
      laneOf: ({ message }) => laneOfChat(message.chatId),
      onBad: (line, lineNumber) => {
        const place = findPlace(line, this.#ids);
        if (place === 'end') return;
        this.#refusedLines.note(lineNumber, place !== undefined && this.#taken.has(place.chatId) ? place : undefined);
      },
    });
    await this.#placeEarly(messages);
    this.#refuseEarly(messages);
    await this.#repository.finish(this.#lastSeqs, this.#undated);
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
   * time.
   */
  async #readFile<T>(file: string, reading: FileReading<T>): Promise<void> {
    const lanes = Array.from({ length: LANES }, () => new ImportLane<T>((rows) => reading.write(rows)));
    let rows = 0;
    for await (const chunk of readLines(file)) {
      for (let index = 0; index < chunk.lines.length; index++) {
        const line = chunk.lines[index]!;
        if (line.trim() === '') continue;
        const lineNumber = chunk.firstNumber + index;
        try {
          if (chunk.broken?.has(index) === true) throw new BadLineError('is not UTF-8');
          const value = reading.parse(line, lineNumber);
          const waiting = lanes[reading.laneOf?.(value) ?? 0]!.add({ value, lineNumber });
          if (waiting !== undefined) await waiting;
          rows++;
        } catch (error) {
          if (!(error instanceof BadLineError)) throw error;
          // A strict import stops here, with what came before it imported.
          if (this.options.isStrict === true) for (const lane of lanes) await lane.end();
          reading.onBad?.(line, lineNumber);
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
    const created = await this.#repository.importChats(byId);
    this.#chats += created.size;
    for (const { chatId, isUndated } of byId) if (isUndated === true && created.has(chatId)) this.#undated.add(chatId);
  }

  #parseMessage(line: string): MessageLine {
    return parseMessageLine(line, this.#ids, (key) => this.#countOccurrence(key), this.options.maxTextBytes);
  }

  async #importMessages(file: string, rows: readonly PreparedMessage[], isAtEnd = false): Promise<void> {
    const rules = this.#rules(isAtEnd);
    let ready = this.#early.join(rows);
    while (ready.length > 0) {
      const outcomes = await this.#repository.importMessages(ready, rules);
      const moved = new Set<string>();
      ready.forEach((row, index) => {
        const outcome = outcomes[index]!;
        if (outcome === 'added') {
          const { chatId, seq } = row.message;
          this.#messages++;
          moved.add(chatId);
          if (seq !== null) this.#refusedLines.takeBack({ chatId, seq });
        } else if (outcome === 'present') this.#present++;
        else if (outcome === 'early') this.#keepEarly(row);
        else this.#refuse(file, row.lineNumber, outcome.refused);
      });
      // What had to wait for a message of this batch may follow it now.
      ready = [...moved].flatMap((chatId) => this.#early.take(chatId));
    }
  }

  /**
   * A line with holes goes on where they are what a purge has left, or refused lines. At the end of the file no line is missing that may
   * still come: a chat of which nothing has come but messages with higher seqs begins with the lowest of them.
   */
  #rules(isAtEnd: boolean): PlacingRules {
    return {
      listsParticipants: this.#listsParticipants,
      mayPass: ({ chatId, seq, lineNumber }, lastSeq) =>
        this.#lastSeqs.has(chatId) ||
        (isAtEnd && lastSeq === 0) ||
        this.#refusedLines.explain(chatId, lastSeq + 1, seq - 1, isAtEnd ? Infinity : lineNumber),
      onRefused: ({ message: { chatId, seq }, lineNumber }, lastSeq) => {
        if (seq === null) return;
        const isMissing = lastSeq !== undefined && seq > lastSeq;
        this.#refusedLines.note(lineNumber, isMissing ? { chatId, seq } : undefined);
      },
    };
  }

  #keepEarly(message: PreparedMessage): void {
    if (this.#early.keep(message)) return;
    throw new ImportStoppedError('Too many messages come before their turn. Sort messages.jsonl by seq.');
  }

  /** What is still waiting at the end of the file is placed behind the hole before it, if there may be one. */
  async #placeEarly(file: string): Promise<void> {
    for (const chatId of this.#early.chatIds) {
      const rows = this.#early.take(chatId);
      for (let from = 0; from < rows.length; from += BATCH_ROWS) {
        await this.#importMessages(file, rows.slice(from, from + BATCH_ROWS), true);
      }
    }
  }

  /** What then waits, waits for messages that are not there: a fault of the file, told once for each chat. */
  #refuseEarly(file: string): void {
    for (const chatId of this.#early.chatIds) {
      const rows = this.#early.take(chatId);
      const { message, lineNumber } = rows[0]!;
      const others =
        rows.length === 1 ? '' : `; so would the ${rows.length - 1} messages of the chat that come after it`;
      const reason = `seq: ${message.seq} would leave a hole in the chat before it${others}`;
      this.#refuse(file, lineNumber, reason, rows.length);
    }
  }

  #refuse(file: string, lineNumber: number, reason: string, lines = 1): void {
    this.#refused += lines;
    this.listener.onRefused?.(file, lineNumber, reason);
    if (this.options.isStrict === true) throw new ImportStoppedError(`${file}:${lineNumber}: ${reason}`);
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
