import { z } from 'zod';
import { UUID_PATTERN } from '../common/uuid.js';
import { CHAT_KINDS } from '../storage/entities/chat.entity.js';
import { PARTICIPANT_ROLES } from '../storage/entities/participant.entity.js';

/** Longest title, in characters. */
const TITLE_LENGTH = 500;

/** Longest emoji, in characters: sequences such as families have many; so do short names. */
const EMOJI_LENGTH = 64;

/** Largest metadata of one chat or message as JSON, in bytes. */
const METADATA_BYTES = 16_384;

/** Years that times may have: PostgreSQL and RFC 3339 agree on them. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 9999;

const SEQ_PATTERN = /^(0|[1-9]\d{0,15})$/;

/** An id of the host's: 1 to 128 characters, none of them a control character. */
const identifier = z.string().refine((text) => {
  const length = [...text].length;
  return length >= 1 && length <= 128 && text.isWellFormed() && !/\p{Cc}/u.test(text);
}, 'must be 1 to 128 characters without control characters');

/** The id of a chat. */
export const chatId = z
  .string()
  .regex(UUID_PATTERN, 'must be a UUID')
  .transform((id) => id.toLowerCase())
  .meta({ format: 'uuid' });

const metadata = z
  .record(z.string(), z.unknown())
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_BYTES, {
    message: `must be at most ${METADATA_BYTES} bytes of JSON`,
  });

const title = z
  .string()
  .min(1)
  .refine((text) => [...text].length <= TITLE_LENGTH, `must be at most ${TITLE_LENGTH} characters`)
  .nullable();

const role = z.enum(PARTICIPANT_ROLES);

/** A whole number in a body. */
const wholeNumber = (minimum: number, maximum: number) => {
  const shown = maximum === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : maximum;
  const message = `must be a whole number from ${minimum} to ${shown}`;
  return z.int({ error: message, abort: true }).min(minimum, message).max(maximum, message);
};

const seq = wholeNumber(1, Number.MAX_SAFE_INTEGER);

/** A whole number in a path or query: it comes as text. */
const numberText = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(SEQ_PATTERN, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `must be from ${minimum} to ${maximum}`);

/** Most messages, chats or participants that one answer shows. */
export const MAX_LIMIT = 200;

const limit = numberText(1, MAX_LIMIT).optional();
const seqText = numberText(1, Number.MAX_SAFE_INTEGER);
const text = z.string().min(1, 'must not be empty');

const time = z
  .string()
  .refine(isTime, `must be an RFC 3339 time from ${FIRST_YEAR} to ${LAST_YEAR}`)
  .transform((value) => new Date(value))
  .meta({ format: 'date-time' });

/** `/chats/{chatId}` */
export const chatPath = z.strictObject({ chatId });

/** `/chats/{chatId}/participants/{userId}` */
export const participantPath = z.strictObject({ chatId, userId: identifier });

/** `/chats/{chatId}/messages/{seq}` */
export const messagePath = z.strictObject({ chatId, seq: seqText });

/** `/chats/{chatId}/messages/{seq}/reactions/{emoji}` */
export const reactionPath = z.strictObject({
  chatId,
  seq: seqText,
  emoji: z
    .string()
    .refine(
      (emoji) =>
        emoji.length >= 1 && [...emoji].length <= EMOJI_LENGTH && emoji.isWellFormed() && !/\p{Cc}/u.test(emoji),
      `must be 1 to ${EMOJI_LENGTH} characters without control characters`,
    ),
});

/** `/users/{userId}` */
export const userPath = z.strictObject({ userId: identifier });

/** No query at all. */
export const noQuery = z.strictObject({});

/** No body, or an empty object. */
export const noBody = z.strictObject({}).optional();

/** Query of a list of participants. */
export const participantsQuery = z.strictObject({ after: identifier.optional(), limit });

/** Query of a page of messages. */
export const messagesQuery = z
  .strictObject({
    before: seqText.optional(),
    after: numberText(0, Number.MAX_SAFE_INTEGER).optional(),
    around: z.union([z.literal('firstUnread'), seqText], 'must be a seq or firstUnread').optional(),
    limit,
  })
  .refine((query) => [query.before, query.after, query.around].filter((place) => place !== undefined).length <= 1, {
    message: 'before, after and around cannot be combined',
    path: ['before'],
  });

/** Query of changes. */
export const changesQuery = z.strictObject({ since: numberText(0, Number.MAX_SAFE_INTEGER), limit });

/** Query of an inbox. */
export const inboxQuery = z.strictObject({ cursor: z.string().max(16_384).optional(), limit });

/** Body that creates a chat. */
export const createChatBody = z
  .strictObject({
    id: chatId.optional(),
    kind: z.enum(CHAT_KINDS).optional(),
    title: title.optional(),
    metadata: metadata.optional(),
    participants: z
      .array(z.strictObject({ userId: identifier, role: role.optional() }))
      .refine((list) => new Set(list.map(({ userId }) => userId)).size === list.length, 'must not name a user twice')
      .optional(),
  })
  .meta({ id: 'CreateChat' });

/** Body that changes a chat. */
export const updateChatBody = z
  .strictObject({ title: title.optional(), metadata: metadata.optional() })
  .refine((body) => body.title !== undefined || body.metadata !== undefined, 'must name title or metadata')
  .meta({ id: 'UpdateChat' });

/** Body that puts a participant into a chat. */
export const putParticipantBody = z.strictObject({ role: role.optional() }).meta({ id: 'PutParticipant' });

/** Body that sends a message. */
export const sendMessageBody = z
  .strictObject({
    text,
    clientId: identifier.optional(),
    senderId: identifier.optional(),
    kind: z.enum(['user', 'system']).optional(),
    metadata: metadata.optional(),
    replyTo: seq.optional(),
    createdAt: time.optional(),
  })
  .meta({ id: 'SendMessage' });

/** Body that edits a message. */
export const editMessageBody = z
  .strictObject({ text: text.optional(), metadata: metadata.optional() })
  .refine((body) => body.text !== undefined || body.metadata !== undefined, 'must name text or metadata')
  .meta({ id: 'EditMessage' });

/** Body that moves a read marker. */
export const markReadBody = z.strictObject({ seq: wholeNumber(0, Number.MAX_SAFE_INTEGER) }).meta({ id: 'MarkRead' });

/** Body that asks for the newest messages of many chats. */
export const latestBody = z
  .strictObject({ chatIds: z.array(chatId).min(1).max(200), limit: wholeNumber(1, MAX_LIMIT).optional() })
  .meta({ id: 'LatestMessages' });

/** `Idempotency-Key`, quoted or bare. */
export const idempotencyKey = identifier;

function isTime(value: string): boolean {
  const match = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:[Zz]|[+-](\d\d):(\d\d))$/.exec(value);
  if (match === null) return false;
  const [year, month, day, hour, minute, second, offsetHour, offsetMinute] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  const lastDay = new Date(Date.UTC(year!, month!, 0)).getUTCDate();
  // The offset may carry a time into another year.
  const utcYear = new Date(value).getUTCFullYear();
  return (
    utcYear >= FIRST_YEAR &&
    utcYear <= LAST_YEAR &&
    month! >= 1 &&
    month! <= 12 &&
    day! >= 1 &&
    day! <= lastDay &&
    hour! <= 23 &&
    minute! <= 59 &&
    second! <= 59 &&
    offsetHour! <= 23 &&
    offsetMinute! <= 59
  );
}
