import type { PreparedMessage } from '../storage/message-placing.js';

/** Messages kept in memory because one with a lower seq has not come yet. */
const EARLY_LIMIT = 200_000;

/** Messages whose turn has not come, by chat. */
export class EarlyMessages {
  readonly #byChat = new Map<string, PreparedMessage[]>();
  #count = 0;

  /** The chats of which messages wait. */
  get chatIds(): string[] {
    return [...this.#byChat.keys()];
  }

  /** Keeps a message. @returns `false`, and does not, if there are too many. */
  keep(message: PreparedMessage): boolean {
    if (this.#count === EARLY_LIMIT) return false;
    const { chatId } = message.message;
    const waiting = this.#byChat.get(chatId);
    if (waiting === undefined) this.#byChat.set(chatId, [message]);
    else waiting.push(message);
    this.#count++;
    return true;
  }

  /** Gives up what waits in a chat, ascending by seq. */
  take(chatId: string): PreparedMessage[] {
    const messages = this.#byChat.get(chatId) ?? [];
    this.#byChat.delete(chatId);
    this.#count -= messages.length;
    return messages.sort(bySeq);
  }

  /** Adds to a batch what waits in its chats, each chat's messages that name a seq in ascending order. */
  join(batch: readonly PreparedMessage[]): PreparedMessage[] {
    const chatIds = new Set(batch.map(({ message }) => message.chatId).filter((chatId) => this.#byChat.has(chatId)));
    const all = [...batch, ...[...chatIds].flatMap((chatId) => this.take(chatId))];
    return isAscending(all) ? all : all.sort(bySeq);
  }
}

function bySeq(one: PreparedMessage, other: PreparedMessage): number {
  const { seq } = one.message;
  const { seq: otherSeq } = other.message;
  return seq === null || otherSeq === null ? one.lineNumber - other.lineNumber : seq - otherSeq;
}

/** Whether the messages of each chat come in the order of their seqs already, as they do in most files. */
function isAscending(rows: readonly PreparedMessage[]): boolean {
  const last = new Map<string, number>();
  for (const { message } of rows) {
    if (message.seq === null) continue;
    if (message.seq < (last.get(message.chatId) ?? 0)) return false;
    last.set(message.chatId, message.seq);
  }
  return true;
}
