/**
 * Messages of a bus, in bytes of UTF-8.
 *
 * A message is a head line and frames. The head is a JSON array: format, sender, time of sending, number of the sender's newest
 * heartbeat, run of the database's server. A frame is a line `chatId from to flag length`, then `length` bytes of JSON: the changes `from` to `to` of the
 * chat; zeros may stand before a length. The flag is `m` when they concern members, else `-`. A length of 0 tells the version `to` only. A message without frames is a
 * heartbeat.
 *
 * Lines come before JSON, and lengths are of bytes, so that a listener who does not want a chat steps over its changes without decoding them. JSON has
 * no line feeds and no lone surrogates, so every text survives UTF-8. Whoever changes what a frame means, or a `Change`, raises the format: peers
 * of another format do not hear each other and find by their polls what was committed.
 */
import { UUID_PATTERN } from '../../../common/uuid.js';
import { asCommitted, type Change, type ChatChanges, type Committed } from '../../../storage/write/change.js';
import { changesJson } from './changes-json.js';
import type { HeardChanges } from './coherence-bus.js';

const FORMAT = 4;

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const DIGIT_0 = 0x30;

/** Characters of a chat's id. */
const ID_LENGTH = 36;

/** Digits that a number may have. */
const MAX_DIGITS = 15;

/** Digits of the length of a body, zeros before it. */
export const LENGTH_DIGITS = 6;

const NO_LENGTH = '0'.repeat(LENGTH_DIGITS);

const CHANGE_TYPES: ReadonlySet<unknown> = new Set(['message', 'participant', 'chat', 'created', 'removed']);

/** Who sent a message, and when. */
export interface MessageHead {
  /** Id of the instance. */
  readonly sender: string;
  /** Milliseconds since 1970 by the sender's clock. */
  readonly sentAtMs: number;
  /** Number of the newest heartbeat that the sender had begun. */
  readonly beat: number;
  /** Of the database's server that every frame speaks of, as the sender has last seen it; empty in a heartbeat. */
  readonly run: string;
}

/** A message that was read: what its sender tells. */
export interface DecodedMessage {
  readonly head: MessageHead;
  readonly heard: readonly HeardChanges[];
}

/** A frame, ready to be written into a message. */
export interface Frame {
  /** ASCII, with its line feed. The length is zero: who writes the frame puts it there, in {@link LENGTH_DIGITS} digits. */
  readonly line: string;
  readonly body: string;
}

/** Makes the beginning of a message; frames follow it. ASCII, unless the run or the sender has other characters. */
export function encodeHead({ sender, sentAtMs, beat, run }: MessageHead): string {
  return `${JSON.stringify([FORMAT, sender, sentAtMs, beat, run])}\n`;
}

/** Makes a frame with the changes of a chat. */
export function encodeChanges({ chatId, changes }: Committed<ChatChanges>): Frame {
  const flag = changes.some(concernsMembers) ? 'm' : '-';
  const line = `${chatId} ${changes[0]!.version} ${changes.at(-1)!.version} ${flag} ${NO_LENGTH}\n`;
  return { line, body: changesJson(changes) };
}

/** Makes a frame that tells a chat's version only. */
export function encodeVersion(chatId: string, version: number): Frame {
  return { line: `${chatId} ${version} ${version} - 0\n`, body: '' };
}

/**
 * Reads a message.
 *
 * @param self - own instance id: of its messages the head alone is read.
 * @param wants - whether a chat's changes are to be parsed; see `BusListener`.
 * @returns `undefined` when it cannot be read, be it in part: half of what a broken message says may be wrong as well.
 */
export function decodeMessage(
  bytes: Buffer,
  self: string,
  wants: (chatId: string, concernsMembers: boolean) => boolean,
): DecodedMessage | undefined {
  try {
    const headEnd = bytes.indexOf(LINE_FEED);
    const head = headEnd < 0 ? undefined : readHead(bytes.toString('utf8', 0, headEnd));
    if (head === undefined) return undefined;
    if (head.sender === self) return { head, heard: [] };
    const heard: HeardChanges[] = [];
    const line = new LineReader(bytes);
    for (let at = headEnd + 1; at < bytes.length;) {
      line.at = at;
      const chatId = line.readId();
      const from = line.readCount(SPACE);
      const version = line.readCount(SPACE);
      const flag = line.readFlag();
      const length = line.readCount(LINE_FEED);
      const bodyStart = line.at;
      const bodyEnd = bodyStart + length;
      // A comparison with NaN is false: what is not a number is not sound either.
      if (chatId === undefined || flag === undefined || !(from <= version && bodyEnd <= bytes.length)) return undefined;
      let changes: Committed<ChatChanges> | undefined;
      let skippedFrom: number | undefined;
      if (length > 0 && wants(chatId, flag === 'm')) {
        const steps = readChanges(bytes.toString('utf8', bodyStart, bodyEnd), from, version);
        if (steps === undefined) return undefined;
        changes = asCommitted({ chatId, changes: steps });
      } else if (length > 0) {
        skippedFrom = from;
      }
      // All of one form: made by spreading, each would get a hidden class of its own, which only a full collection takes away.
      heard.push({ chatId, run: head.run, version, changes, skippedFrom, publishedAtMs: head.sentAtMs });
      at = bodyEnd;
    }
    return { head, heard };
  } catch {
    return undefined;
  }
}

/** Reads the line of a frame, field by field. What is behind the end of the message is no character that any field may have. */
class LineReader {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  /** The id of a chat and the space behind it; `undefined`: that is not what there is. */
  readId(): string | undefined {
    const id = this.bytes.toString('latin1', this.at, this.at + ID_LENGTH);
    this.at += ID_LENGTH;
    return this.bytes[this.at++] === SPACE && UUID_PATTERN.test(id) ? id : undefined;
  }

  /** Digits and what ends them; NaN: that is not what there is. */
  readCount(end: number): number {
    const start = this.at;
    let count = 0;
    for (; ; this.at++) {
      const digit = this.bytes[this.at]! - DIGIT_0;
      if (!(digit >= 0 && digit <= 9)) break;
      count = count * 10 + digit;
    }
    const digits = this.at - start;
    return this.bytes[this.at++] === end && digits > 0 && digits <= MAX_DIGITS ? count : Number.NaN;
  }

  /** A flag and the space behind it. */
  readFlag(): 'm' | '-' | undefined {
    const flag = String.fromCharCode(this.bytes[this.at++]!);
    return this.bytes[this.at++] === SPACE && (flag === 'm' || flag === '-') ? flag : undefined;
  }
}

function readHead(line: string): MessageHead | undefined {
  const fields: unknown = JSON.parse(line);
  if (!Array.isArray(fields)) return undefined;
  const [format, sender, sentAtMs, beat, run, ...rest] = fields as unknown[];
  const isSound =
    format === FORMAT &&
    typeof sender === 'string' &&
    Number.isFinite(sentAtMs) &&
    Number.isSafeInteger(beat) &&
    typeof run === 'string' &&
    rest.length === 0;
  return isSound ? { sender, sentAtMs: sentAtMs as number, beat: beat as number, run } : undefined;
}

/** The body of a frame, if it has just the steps that the frame's line says. */
function readChanges(body: string, from: number, to: number): readonly Change[] | undefined {
  const changes: unknown = JSON.parse(body);
  if (!Array.isArray(changes) || changes.length !== to - from + 1) return undefined;
  const isSound = changes.every(
    (change: Partial<Change> | null, at) => change?.version === from + at && CHANGE_TYPES.has(change.type),
  );
  return isSound ? (changes as Change[]) : undefined;
}

function concernsMembers(change: Change): boolean {
  if (change.type === 'participant') return change.cause === 'joined' || change.cause === 'left';
  return change.type === 'created';
}
