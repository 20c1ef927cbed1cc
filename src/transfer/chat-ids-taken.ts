import { createHash } from 'node:crypto';
import type { ChatLine } from '../storage/transfer-records.js';
import { BadLineError } from './parse-lines.js';

/** Which line of `chats.jsonl` has which chat: the first one that names it. A line that says the same again does no harm. */
export class ChatIdsTaken {
  readonly #byId = new Map<string, { readonly lineNumber: number; readonly digest: string }>();

  /** Whether a line of the file has the chat. */
  has(chatId: string): boolean {
    return this.#byId.has(chatId);
  }

  /** Takes the id of a line's chat. @throws BadLineError if a line with other content has it. */
  take(chat: ChatLine, lineNumber: number): void {
    const digest = createHash('sha256').update(JSON.stringify(chat)).digest('base64url').slice(0, 22);
    const taken = this.#byId.get(chat.chatId);
    if (taken === undefined) this.#byId.set(chat.chatId, { lineNumber, digest });
    else if (taken.digest !== digest) throw new BadLineError(`the id is taken by line ${taken.lineNumber}`);
  }
}
