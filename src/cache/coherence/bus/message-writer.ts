import { encodeHead, LENGTH_DIGITS, type Frame, type MessageHead } from './change-codec.js';

/** Bytes before the frames, for the head, which is known last. Runs and instance ids have well below a hundred characters. */
const HEAD_ROOM = 400;

/** Memory that a message begins with, at most; it grows. */
const FIRST_BYTES = 64 * 1024;

const DIGIT_0 = 0x30;

/**
 * Writes a message of a bus, frame by frame as they come, into memory that is used again for the next. Texts that wait to be sent, and memory of
 * its own for each message, made collecting and copying half of what telling costs.
 */
export class MessageWriter {
  #memory: Buffer;
  #end = HEAD_ROOM;

  /** @param maxBytes - that the message may have, less than a million: lengths have {@link LENGTH_DIGITS} digits. */
  constructor(private readonly maxBytes: number) {
    if (!(maxBytes > HEAD_ROOM && maxBytes < 10 ** LENGTH_DIGITS))
      throw new RangeError(`${maxBytes} bytes for a message`);
    this.#memory = Buffer.allocUnsafeSlow(Math.min(maxBytes, FIRST_BYTES));
  }

  /** Bytes of its frames. */
  get bytes(): number {
    return this.#end - HEAD_ROOM;
  }

  /** Bytes of memory that it has. */
  get memoryBytes(): number {
    return this.#memory.length;
  }

  /** Adds a frame. @returns its bytes; 0: there is no room for it. */
  add({ line, body }: Frame): number {
    // Of UTF-16 no unit takes more than three bytes: most need not be counted.
    let most = line.length + 3 * body.length;
    if (this.#end + most > this.maxBytes) {
      most = line.length + Buffer.byteLength(body);
      if (this.#end + most > this.maxBytes) return 0;
    }
    this.#reserve(this.#end + most);
    const written = this.#memory.write(line + body, this.#end);
    this.#putLength(this.#end + line.length - 1, written - line.length);
    this.#end += written;
    return written;
  }

  /** The message as it is now; the memory is this writer's, and good until it is {@link clear}ed. */
  finish(head: MessageHead): Buffer {
    const line = encodeHead(head);
    const start = HEAD_ROOM - Buffer.byteLength(line);
    if (start < 0) return Buffer.concat([Buffer.from(line), this.#memory.subarray(HEAD_ROOM, this.#end)]);
    this.#memory.write(line, start);
    return this.#memory.subarray(start, this.#end);
  }

  /** Begins the next message. */
  clear(): void {
    this.#end = HEAD_ROOM;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.maxBytes, Math.max(bytes, 2 * this.#memory.length)));
    this.#memory.copy(larger, HEAD_ROOM, HEAD_ROOM, this.#end);
    this.#memory = larger;
  }

  /** Writes the length of a body over the zeros that its line ends with. */
  #putLength(end: number, length: number): void {
    for (let at = end - 1, rest = length; rest > 0; at--) {
      const digit = rest % 10;
      this.#memory[at] = DIGIT_0 + digit;
      rest = (rest - digit) / 10;
    }
  }
}
