import { timeText } from './wire-json.js';

const DAY_MS = 86_400_000;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const TEN = 10;
/** Whole numbers up to here are written digit by digit, beyond it as JavaScript does. */
const DIGITS_LIMIT = 2 ** 31;
/** Times whose year has four digits, without a sign; the others are written as JavaScript does. */
const FIRST_PLAIN_MS = Date.UTC(1000, 0, 1);
const END_OF_PLAIN_MS = Date.UTC(10_000, 0, 1);
/** Bytes of such a time with its quotes. */
const TIME_BYTES = 26;
/** Days from 1 March of year 0 to 1970, and in 400 years. */
const DAYS_FROM_MARCH_0 = 719_468;
const DAYS_PER_ERA = 146_097;
/** The longest escape, such as `\u001f`. */
const ESCAPE_BYTES = 6;

/** What JSON.stringify writes for each byte that cannot stand for itself; `undefined` for all others. */
const ESCAPES: readonly (Buffer | undefined)[] = Array.from({ length: 0x100 }, (_unused, byte) => {
  const isPlain = byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH;
  return isPlain ? undefined : Buffer.from(JSON.stringify(String.fromCharCode(byte)).slice(1, -1));
});

/** 1 for each byte that cannot stand for itself. */
const IS_ESCAPED = Uint8Array.from(ESCAPES, (escape) => (escape === undefined ? 0 : 1));

/**
 * Writes JSON into a buffer of its own from texts that are UTF-8 already, without making strings of them: byte for byte what
 * JSON.stringify would write. For what writes so much that strings would be its main cost.
 *
 * @remarks Texts are looked at and copied four bytes at a time: for the length of a chat message that is faster than a call
 * into native code.
 */
export class JsonWriter {
  #bytes = Buffer.allocUnsafeSlow(2 ** 16);
  #view = viewOf(this.#bytes);
  #length = 0;
  #source: Buffer = this.#bytes;
  #sourceView = this.#view;

  /** What is written, until the next {@link clear}. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** Bytes written since the last {@link clear}. */
  get length(): number {
    return this.#length;
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0;
  }

  /** Writes bytes that are JSON. */
  raw(json: Uint8Array): void {
    this.#reserve(json.length);
    const target = this.#bytes;
    let at = this.#length;
    for (let index = 0; index < json.length; index++) target[at++] = json[index]!;
    this.#length = at;
  }

  /** Writes a string that is JSON. */
  rawText(json: string): void {
    this.#reserve(3 * json.length);
    this.#length += this.#bytes.write(json, this.#length);
  }

  /** Writes UTF-8 as a JSON string. */
  string(source: Buffer, from: number, to: number): void {
    if (source !== this.#source) {
      this.#source = source;
      this.#sourceView = viewOf(source);
    }
    const view = this.#sourceView;
    this.#reserve(to - from + 2);
    this.#bytes[this.#length++] = QUOTE;
    let index = from;
    for (;;) {
      const targetView = this.#view;
      let at = this.#length;
      for (; index < to - 3; index += 4, at += 4) {
        const four = view.getInt32(index, true);
        if (hasEscaped(four)) break;
        targetView.setInt32(at, four, true);
      }
      const target = this.#bytes;
      while (index < to && IS_ESCAPED[source[index]!] === 0) target[at++] = source[index++]!;
      this.#length = at;
      if (index === to) break;
      this.#reserve(to - index + ESCAPE_BYTES + 1);
      this.raw(ESCAPES[source[index++]!]!);
    }
    this.#bytes[this.#length++] = QUOTE;
  }

  /** Writes a whole number. */
  integer(value: number): void {
    if (value < 0 || value >= DIGITS_LIMIT) {
      this.rawText(String(value));
      return;
    }
    let digits = 1;
    for (let power = TEN; power <= value; power *= TEN) digits++;
    this.#reserve(digits);
    this.#digits(value, digits);
  }

  /** Writes a time as a JSON string: RFC 3339 in UTC with milliseconds. */
  time(timeMs: number): void {
    if (!(timeMs >= FIRST_PLAIN_MS && timeMs < END_OF_PLAIN_MS)) {
      this.rawText(`"${timeText(timeMs)}"`);
      return;
    }
    this.#reserve(TIME_BYTES);
    const target = this.#bytes;
    const day = Math.floor(timeMs / DAY_MS);
    target[this.#length++] = QUOTE;
    this.#date(day);
    target[this.#length++] = 0x54;
    let rest = timeMs - day * DAY_MS;
    const ms = rest % 1000;
    rest = (rest - ms) / 1000;
    const second = rest % 60;
    rest = (rest - second) / 60;
    const minute = rest % 60;
    this.#digits((rest - minute) / 60, 2);
    target[this.#length++] = 0x3a;
    this.#digits(minute, 2);
    target[this.#length++] = 0x3a;
    this.#digits(second, 2);
    target[this.#length++] = 0x2e;
    this.#digits(ms, 3);
    target[this.#length++] = 0x5a;
    target[this.#length++] = QUOTE;
  }

  /**
   * Writes the date of a day since 1970, by counting in years that begin in March: their leap day is the last.
   * https://howardhinnant.github.io/date_algorithms.html#civil_from_days
   */
  #date(day: number): void {
    const target = this.#bytes;
    const sinceMarch0 = day + DAYS_FROM_MARCH_0;
    const era = (sinceMarch0 / DAYS_PER_ERA) | 0;
    const dayOfEra = sinceMarch0 - era * DAYS_PER_ERA;
    const leaps = ((dayOfEra / 1460) | 0) - ((dayOfEra / 36_524) | 0) + ((dayOfEra / 146_096) | 0);
    const yearOfEra = ((dayOfEra - leaps) / 365) | 0;
    const dayOfYear = dayOfEra - (365 * yearOfEra + (yearOfEra >> 2) - ((yearOfEra / 100) | 0));
    const marchMonth = ((5 * dayOfYear + 2) / 153) | 0;
    const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
    this.#digits(yearOfEra + era * 400 + (month <= 2 ? 1 : 0), 4);
    target[this.#length++] = 0x2d;
    this.#digits(month, 2);
    target[this.#length++] = 0x2d;
    this.#digits(dayOfYear - (((153 * marchMonth + 2) / 5) | 0) + 1, 2);
  }

  #digits(value: number, digits: number): void {
    const target = this.#bytes;
    let rest = value | 0;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const next = (rest / TEN) | 0;
      target[at] = ZERO + rest - next * TEN;
      rest = next;
    }
    this.#length += digits;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length + bytes, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * Whether one of four bytes has to be escaped: is below a space, a quote or a backslash. A byte less a limit borrows from its
 * highest bit, which was not set, if it is below the limit; equal to something is below 1 after an exclusive or.
 * https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
 */
function hasEscaped(four: number): boolean {
  const quote = four ^ 0x22222222;
  const backslash = four ^ 0x5c5c5c5c;
  const borrows =
    ((four - 0x20202020) & ~four) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
  return (borrows & 0x80808080) !== 0;
}
