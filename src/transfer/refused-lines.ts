/** The place of a message in its chat's line. */
export interface MessagePlace {
  readonly chatId: string;
  readonly seq: number;
}

/**
 * The lines of `messages.jsonl` that were refused, and the holes that they leave. A refused line costs itself alone: what comes behind
 * it keeps the seq that the file gives it, and the place of the refused one stays empty, as after a purge.
 *
 * A line that could be read as far as its chat and seq explains that place. Any other is spare: it explains one missing seq of
 * whatever chat has a hole behind it in the file; at the end of the file, wherever the hole is. (One without a seq would have had the next one: nothing
 * is missing without it.) So there are never more places empty than lines refused, and a hole that nothing
 * explains is a fault of the file.
 */
export class RefusedLines {
  /** Places that may stay empty, as `chat seq`. With each the spare line that explains it; `undefined`: the line named the place itself. */
  readonly #explained = new Map<string, number | undefined>();
  /** Numbers of the spare lines that explain nothing yet, ascending. */
  readonly #spare: number[] = [];

  /** Notes a line that was refused, and where its message would have been if that is known. */
  note(lineNumber: number, place?: MessagePlace): void {
    if (place !== undefined) this.#explained.set(keyOf(place.chatId, place.seq), undefined);
    else this.#spare.splice(this.#spare.findLastIndex((each) => each < lineNumber) + 1, 0, lineNumber);
  }

  /**
   * Whether refused lines explain that all messages from one seq through another are missing. If so, they explain nothing else from
   * then on, and the answer stays the same.
   *
   * @param beforeLine - spare lines count that come before this one.
   * @remarks O(the smaller of the hole and the number of refused lines).
   */
  explain(chatId: string, fromSeq: number, throughSeq: number, beforeLine: number): boolean {
    if (throughSeq - fromSeq >= this.#explained.size + this.#spare.length) return false;
    const unexplained: string[] = [];
    for (let seq = fromSeq; seq <= throughSeq; seq++) {
      const key = keyOf(chatId, seq);
      if (!this.#explained.has(key) && unexplained.push(key) > this.#spare.length) return false;
    }
    if (unexplained.length > 0 && this.#spare[unexplained.length - 1]! >= beforeLine) return false;
    const lines = this.#spare.splice(0, unexplained.length);
    unexplained.forEach((key, at) => this.#explained.set(key, lines[at]));
    return true;
  }

  /** A message has come after all: the line that explained why it was missing is spare again. */
  takeBack({ chatId, seq }: MessagePlace): void {
    if (this.#explained.size === 0) return;
    const key = keyOf(chatId, seq);
    const lineNumber = this.#explained.get(key);
    this.#explained.delete(key);
    if (lineNumber !== undefined) this.note(lineNumber);
  }
}

function keyOf(chatId: string, seq: number): string {
  return `${chatId} ${seq}`;
}
