import { createHash } from 'node:crypto';
import { ScrollbackError } from '../common/scrollback-error.js';
import { requireStorable, textFault } from '../common/storable-json.js';
import { UUID_PATTERN, uuidV5 } from '../common/uuid.js';
import { CHAT_KINDS, type ChatKind } from '../storage/entities/chat.entity.js';
import { PARTICIPANT_ROLES, type ParticipantRole } from '../storage/entities/participant.entity.js';
import { CHAT_FIELDS, MESSAGE_FIELDS, USER_FIELDS } from './line-fields.js';
import type { MessagePlace } from './refused-lines.js';
import type { ChatLine, MessageLine, ParticipantLine, ReactionLine, UserLine } from '../storage/transfer-records.js';

/** Namespace of the UUIDs that stand for chat ids which are none: version 5 of `scrollback.chat` under the DNS namespace. */
export const CHAT_ID_NAMESPACE = uuidV5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'scrollback.chat');

/** A line that cannot be imported, and why. */
export class BadLineError extends Error {
  override readonly name = 'BadLineError';
}

type Fields = Readonly<Record<string, unknown>>;

/** Year 9999: what PostgreSQL and RFC 3339 agree on. */
const LAST_TIME_MS = 253_402_300_799_999;

/** Versions are raised by as much as a line jumps forward: both stay far below the integers that JavaScript can tell apart. */
const MAX_SEQ = 2 ** 50;

/** Maps the chat ids of a file to UUIDs: those that are UUIDs stay, the others always get the same one. */
export class ChatIdMapper {
  readonly #known = new Map<string, string>();

  /** O(1), a hash the first time. */
  map(value: unknown, field: string): string {
    const id = readId(value, field);
    let chatId = this.#known.get(id);
    if (chatId === undefined) {
      chatId = UUID_PATTERN.test(id) ? id.toLowerCase() : uuidV5(CHAT_ID_NAMESPACE, id);
      this.#known.set(id, chatId);
    }
    return chatId;
  }
}

/** Reads a line of `users.jsonl`. @throws BadLineError */
export function parseUserLine(line: string): UserLine {
  const fields = parseObject(line);
  return {
    userId: readUserId(fields['id'], 'id'),
    name: readOptional(fields['name'], 'name', readText),
    metadataJson: readMetadata(fields, USER_FIELDS),
  };
}

/**
 * Reads a line of `chats.jsonl`.
 *
 * @param nowMs - for a chat whose time of creation the line does not tell.
 * @throws BadLineError
 */
export function parseChatLine(line: string, ids: ChatIdMapper, nowMs: number): ChatLine {
  const fields = parseObject(line);
  const givenMs = readOptional(fields['created_at'], 'created_at', readTime);
  const createdAtMs = givenMs ?? nowMs;
  const kind = fields['kind'] ?? null;
  const isKnownKind = kind === null || CHAT_KINDS.includes(kind as ChatKind);
  return {
    chatId: ids.map(fields['id'], 'id'),
    // Without one it is what a chat becomes that is created without one.
    kind: kind === null ? 'group' : isKnownKind ? (kind as ChatKind) : 'channel',
    title: readOptional(fields['title'], 'title', readText),
    // A kind that is not ours is kept, so that an export tells it again.
    metadataJson: readMetadata(fields, CHAT_FIELDS, isKnownKind ? {} : { kind }) ?? '{}',
    createdBy: readOptional(fields['created_by'], 'created_by', readUserId),
    lastSeq: readOptional(fields['last_seq'], 'last_seq', readSeq),
    createdAtMs,
    isUndated: givenMs === null,
    updatedAtMs: readOptional(fields['updated_at'], 'updated_at', readTime) ?? createdAtMs,
    participants: readList(fields['participants'], 'participants', (item) => readParticipant(item, createdAtMs)),
  };
}

/**
 * Reads a line of `messages.jsonl`.
 *
 * @param occurrence - counts equal lines without a seq, so that each gets a client id of its own that the next import
 * recognises.
 * @param maxTextBytes - longest text, in bytes of UTF-8.
 * @throws BadLineError
 */
export function parseMessageLine(
  line: string,
  ids: ChatIdMapper,
  occurrence: (key: string) => number,
  maxTextBytes = Infinity,
): MessageLine {
  const fields = parseObject(line);
  const chatId = ids.map(fields['chat'], 'chat');
  const senderId = readUserId(fields['user'], 'user');
  const createdAtMs = readTime(fields['ts'], 'ts');
  const deletedAtMs = readOptional(fields['deleted_at'], 'deleted_at', readTime);
  const seq = readOptional(fields['seq'], 'seq', readSeq);
  const text = deletedAtMs === null ? readMessageText(fields['text'], maxTextBytes) : null;
  const kind = readOptional(fields['kind'], 'kind', readText) ?? 'user';
  if (kind !== 'user' && kind !== 'system') throw new BadLineError('kind: must be user or system');
  let clientId = readOptional(fields['client_id'], 'client_id', readUserId);
  if (seq === null && clientId === null) {
    const key = createHash('sha256')
      .update(JSON.stringify([chatId, senderId, createdAtMs, text]))
      .digest('base64url');
    clientId = `import:${key.slice(0, 22)}:${occurrence(key)}`;
  }
  return {
    chatId,
    seq,
    senderId,
    text,
    clientId,
    kind,
    metadataJson: deletedAtMs === null ? readMetadata(fields, MESSAGE_FIELDS) : null,
    replyTo: readOptional(fields['reply_to'], 'reply_to', readSeq),
    createdAtMs,
    editedAtMs: readOptional(fields['edited_at'], 'edited_at', readTime),
    deletedAtMs,
    reactions: readList(fields['reactions'], 'reactions', readReaction) ?? [],
  };
}

/**
 * Where the message of a refused line would have been: `undefined` if the line does not tell, `'end'` if it names no seq, so that nothing is
 * missing without it.
 */
export function findPlace(line: string, ids: ChatIdMapper): MessagePlace | 'end' | undefined {
  try {
    const { chat, seq } = parseObject(line);
    if (seq === undefined || seq === null) return 'end';
    // A chat's name with bytes that could not be read is another name.
    if (typeof chat === 'string' && chat.includes('\ufffd')) return undefined;
    return { chatId: ids.map(chat, 'chat'), seq: readSeq(seq, 'seq') };
  } catch (error) {
    if (error instanceof BadLineError) return undefined;
    throw error;
  }
}

function parseObject(line: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new BadLineError('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BadLineError('is not a JSON object');
  return value as Fields;
}

function readOptional<T>(value: unknown, field: string, read: (value: unknown, field: string) => T): T | null {
  return value === undefined || value === null ? null : read(value, field);
}

function readList<T>(value: unknown, field: string, read: (item: Fields) => T): T[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new BadLineError(`${field}: must be a list`);
  return value.map((item: unknown) => {
    if (typeof item !== 'object' || item === null) throw new BadLineError(`${field}: must hold objects`);
    return read(item as Fields);
  });
}

function readParticipant(item: Fields, createdAtMs: number): ParticipantLine {
  const role = readOptional(item['role'], 'participants.role', readText) ?? 'member';
  if (!PARTICIPANT_ROLES.includes(role as ParticipantRole)) throw new BadLineError('participants.role: is not a role');
  const lastRead = item['last_read_seq'];
  return {
    userId: readUserId(item['user'], 'participants.user'),
    role: role as ParticipantRole,
    joinedAtMs: readOptional(item['joined_at'], 'participants.joined_at', readTime) ?? createdAtMs,
    leftAtMs: readOptional(item['left_at'], 'participants.left_at', readTime),
    lastReadSeq: lastRead === undefined || lastRead === 0 ? 0 : readSeq(lastRead, 'participants.last_read_seq'),
  };
}

function readReaction(item: Fields): ReactionLine {
  return {
    userId: readUserId(item['user'], 'reactions.user'),
    emoji: readUserId(item['emoji'], 'reactions.emoji'),
    atMs: readTime(item['ts'], 'reactions.ts'),
  };
}

function readId(value: unknown, field: string): string {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value === 'string' && value !== '') return value;
  throw new BadLineError(`${field}: must be a text or a whole number`);
}

function readUserId(value: unknown, field: string): string {
  const id = readId(value, field);
  if (id.length > 128 && [...id].length > 128) throw new BadLineError(`${field}: must be at most 128 characters`);
  if (/\p{Cc}/u.test(id) || !id.isWellFormed()) throw new BadLineError(`${field}: must not contain control characters`);
  return id;
}

function readText(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new BadLineError(`${field}: must be a text`);
  const fault = textFault(value);
  if (fault !== undefined) throw new BadLineError(`${field}: ${fault}`);
  return value;
}

function readMessageText(value: unknown, maxBytes: number): string {
  const text = readText(value, 'text');
  if (text === '') throw new BadLineError('text: must not be empty');
  // No character has more than three bytes for each of its units.
  const bytes = text.length * 3 <= maxBytes ? 0 : Buffer.byteLength(text);
  if (bytes > maxBytes)
    throw new BadLineError(`text: is ${bytes} bytes of UTF-8; at most ${maxBytes} are allowed (MAX_TEXT_BYTES)`);
  return text;
}

function readSeq(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_SEQ) return value;
  throw new BadLineError(`${field}: must be a whole number from 1 to 2^50`);
}

function readTime(value: unknown, field: string): number {
  const isText =
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i.test(value);
  const timeMs = isText ? Date.parse(value) : value;
  if (typeof timeMs === 'number' && Number.isSafeInteger(timeMs) && timeMs >= 0 && timeMs <= LAST_TIME_MS)
    return timeMs;
  throw new BadLineError(`${field}: must be an RFC 3339 time or whole milliseconds, from 1970 to 9999`);
}

function readMetadata(fields: Fields, known: ReadonlySet<string>, more: Fields = {}): string | null {
  const given = fields['metadata'];
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  // Without a prototype, so that a key called __proto__ is a key, and is found and refused.
  let metadata: Record<string, unknown> | undefined = isObject ? Object.assign(bare(), given) : undefined;
  // What is called metadata and is no object is a further field like any other.
  if (given !== undefined && !isObject) metadata = Object.assign(bare(), { metadata: given });
  for (const key in fields) if (!known.has(key)) (metadata ??= bare())[key] = fields[key];
  for (const key in more) (metadata ??= bare())[key] = more[key];
  if (metadata === undefined || Object.keys(metadata).length === 0) return null;
  try {
    requireStorable(metadata, 'metadata');
  } catch (error) {
    if (error instanceof ScrollbackError) throw new BadLineError(error.message);
    throw error;
  }
  return JSON.stringify(metadata);
}

function bare(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}
