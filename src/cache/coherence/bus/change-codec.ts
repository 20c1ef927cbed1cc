/**
 * Messages of a bus, as text.
 *
 * A message is a head line and frames. The head is a JSON array: format, sender, time of sending, number of the sender's newest
 * heartbeat, run of the database's server. A frame is a line `chatId from to flag length`, then `length` characters of JSON: the changes `from` to `to` of the
 * chat. The flag is `m` when they concern members, else `-`. A length of 0 tells the version `to` only. A message without frames is a
 * heartbeat.
 *
 * Lines come before JSON so that a listener who does not want a chat steps over its changes without parsing them. JSON has no line
 * feeds and no lone surrogates, so every text survives UTF-8. Whoever changes what a frame means, or a `Change`, raises the format: peers
 * of another format do not hear each other and find by their polls what was committed.
 */
import { UUID_PATTERN } from '../../../common/uuid.js';
import { asCommitted, type Change, type ChatChanges, type Committed } from '../../../storage/write/change.js';
import type { HeardChanges } from './coherence-bus.js';

const FORMAT = 3;

const LINE_FEED = 0x0a;

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

/** Writes the beginning of a message; frames follow it. */
export function encodeHead({ sender, sentAtMs, beat, run }: MessageHead): string {
  return `${JSON.stringify([FORMAT, sender, sentAtMs, beat, run])}\n`;
}

/** Writes a frame with the changes of a chat. */
export function encodeChanges({ chatId, changes }: Committed<ChatChanges>): string {
  const body = JSON.stringify(changes);
  const flag = changes.some(concernsMembers) ? 'm' : '-';
  return `${chatId} ${changes[0]!.version} ${changes.at(-1)!.version} ${flag} ${body.length}\n${body}`;
}

/** Writes a frame that tells a chat's version only. */
export function encodeVersion(chatId: string, version: number): string {
  return `${chatId} ${version} ${version} - 0\n`;
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
    const text = bytes.toString('utf8', headEnd + 1);
    const heard: HeardChanges[] = [];
    for (let at = 0; at < text.length;) {
      const lineEnd = text.indexOf('\n', at);
      if (lineEnd < 0) return undefined;
      const [chatId, from, to, flag, length, ...rest] = text.slice(at, lineEnd).split(' ');
      const first = readCount(from);
      const version = readCount(to);
      const bodyEnd = lineEnd + 1 + readCount(length);
      const isSound =
        rest.length === 0 && UUID_PATTERN.test(chatId!) && (flag === 'm' || flag === '-') && first <= version;
      // A comparison with NaN is false: what is not a number is not sound either.
      if (!isSound || !(bodyEnd <= text.length)) return undefined;
      const told = { chatId: chatId!, run: head.run, version, publishedAtMs: head.sentAtMs };
      if (bodyEnd === lineEnd + 1) {
        heard.push(told);
      } else if (wants(chatId!, flag === 'm')) {
        const changes = readChanges(text.slice(lineEnd + 1, bodyEnd), first, version);
        if (changes === undefined) return undefined;
        heard.push({ ...told, changes: asCommitted({ chatId: chatId!, changes }) });
      } else {
        heard.push({ ...told, skippedFrom: first });
      }
      at = bodyEnd;
    }
    return { head, heard };
  } catch {
    return undefined;
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

function readCount(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
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
