/** An answer that says that something went wrong. */
export class RespError extends Error {
  override readonly name = 'RespError';
}

/**
 * An answer of Redis. A bulk string is a view of memory that is used again: it is good until whoever is given it returns.
 */
export type RespReply = string | number | Buffer | RespError | null | readonly RespReply[];

/** Bytes that a bulk string may have; nobody who speaks to this reader sends as much. */
const MAX_BULK_BYTES = 2 ** 20;

/** Elements that an array may have. */
const MAX_ELEMENTS = 1000;

/** Characters that a line may have: a number, a status or an error. */
const MAX_LINE_BYTES = 4096;

/** Arrays in arrays; what is published and subscribed to has none. */
const MAX_DEPTH = 4;

const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;

/**
 * Reads the answers of a connection to Redis (RESP 2), in whatever pieces they come.
 *
 * @remarks What has come in one piece is not copied. Of an answer in several pieces each byte is copied two or three times, whatever its size and theirs.
 */
export class RespReader {
  /** Copies of the pieces of an answer that is not complete. */
  #pieces: Buffer[] = [];
  /** Bytes to come before the answer can be complete. */
  #missing = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(private readonly onReply: (reply: RespReply) => void) {}

  /**
   * Takes a piece; its memory may be used again afterwards.
   *
   * @throws Error when it is not RESP. Nothing that comes later means anything then.
   */
  write(piece: Buffer): void {
    this.#bytes = piece;
    if (this.#pieces.length > 0) {
      this.#pieces.push(Buffer.from(piece));
      this.#missing -= piece.length;
      if (this.#missing > 0) return;
      this.#bytes = Buffer.concat(this.#pieces);
      this.#pieces = [];
    }
    this.#at = 0;
    while (this.#at < this.#bytes.length) {
      const start = this.#at;
      const reply = this.#read(0);
      if (reply === undefined) {
        this.#pieces = [Buffer.from(this.#bytes.subarray(start))];
        return;
      }
      this.onReply(reply);
    }
  }

  /** The answer that begins here; `undefined`: there is more of it to come. */
  #read(depth: number): RespReply | undefined {
    const kind = String.fromCharCode(this.#bytes[this.#at]!);
    const line = this.#at < this.#bytes.length ? this.#readLine() : this.#lack(1);
    if (line === undefined) return undefined;
    switch (kind) {
      case '+':
        return line;
      case '-':
        return new RespError(line);
      case ':':
        return toInteger(line, Number.MAX_SAFE_INTEGER);
      case '$':
        return this.#readBulk(toInteger(line, MAX_BULK_BYTES));
      case '*':
        return this.#readArray(toInteger(line, MAX_ELEMENTS), depth);
      default:
        throw notResp(`an answer that begins with ${JSON.stringify(kind)}`);
    }
  }

  /** The line that begins here, without its kind. */
  #readLine(): string | undefined {
    const end = this.#bytes.indexOf(CARRIAGE_RETURN, this.#at);
    if ((end < 0 ? this.#bytes.length : end) - this.#at > MAX_LINE_BYTES) throw notResp('a line that does not end');
    if (end < 0 || end + 1 >= this.#bytes.length) return this.#lack(1);
    if (this.#bytes[end + 1] !== LINE_FEED) throw notResp('a line that does not end as lines do');
    const line = this.#bytes.toString('utf8', this.#at + 1, end);
    this.#at = end + 2;
    return line;
  }

  #readBulk(length: number): Buffer | null | undefined {
    if (length < 0) return null;
    const end = this.#at + length;
    if (end + 2 > this.#bytes.length) return this.#lack(end + 2 - this.#bytes.length);
    const bulk = this.#bytes.subarray(this.#at, end);
    this.#at = end + 2;
    return bulk;
  }

  #readArray(length: number, depth: number): RespReply[] | null | undefined {
    if (length < 0) return null;
    if (depth >= MAX_DEPTH) throw notResp('arrays in arrays');
    const elements: RespReply[] = [];
    for (let index = 0; index < length; index++) {
      const element = this.#read(depth + 1);
      if (element === undefined) return undefined;
      elements.push(element);
    }
    return elements;
  }

  #lack(bytes: number): undefined {
    this.#missing = bytes;
    return undefined;
  }
}

function toInteger(line: string, max: number): number {
  const value = /^-?\d{1,16}$/.test(line) ? Number(line) : Number.NaN;
  if (!(value >= -1 && value <= max)) throw notResp(`the number ${JSON.stringify(line.slice(0, 32))}`);
  return value;
}

function notResp(what: string): Error {
  return new Error(`Redis answers in another way than Redis does: ${what}.`);
}
