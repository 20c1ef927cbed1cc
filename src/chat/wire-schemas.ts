import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../common/error-codes.js';
import { UUID_PATTERN } from '../common/uuid.js';
import { CHAT_KINDS } from '../storage/entities/chat.entity.js';
import { PARTICIPANT_ROLES } from '../storage/entities/participant.entity.js';

/** Schemas of what is answered. The OpenAPI document shows them and tests hold every answer against them. */

const time = z.iso.datetime({ precision: 3 });
const version = z.int().min(0);
const uuid = z.string().regex(UUID_PATTERN).meta({ format: 'uuid' });
const metadata = z.record(z.string(), z.unknown());
const role = z.enum(PARTICIPANT_ROLES);

/** A chat. */
export const chatSchema = z
  .strictObject({
    id: uuid,
    kind: z.enum(CHAT_KINDS),
    title: z.string().nullable(),
    metadata,
    createdBy: z.string().nullable(),
    createdAt: time,
    updatedAt: time,
    lastSeq: z.int().min(0),
    version,
    participantCount: z.int().min(0),
  })
  .meta({ id: 'Chat' });

/** A participant. */
export const participantSchema = z
  .strictObject({ userId: z.string(), role, joinedAt: time, lastReadSeq: z.int().min(0) })
  .meta({ id: 'Participant' });

const reactionSchema = z
  .strictObject({ emoji: z.string(), count: z.int().min(1), userIds: z.array(z.string()).max(20) })
  .meta({ id: 'Reaction' });

const presentMessageSchema = z
  .strictObject({
    seq: z.int().min(1),
    senderId: z.string(),
    clientId: z.string().optional(),
    kind: z.literal('system').optional(),
    text: z.string(),
    metadata: metadata.optional(),
    replyTo: z.int().min(1).optional(),
    reactions: z.array(reactionSchema).optional(),
    createdAt: time,
    editedAt: time.optional(),
  })
  .meta({ id: 'PresentMessage' });

const deletedMessageSchema = z
  .strictObject({
    seq: z.int().min(1),
    senderId: z.string(),
    deleted: z.literal(true),
    createdAt: time,
    deletedAt: time,
  })
  .meta({ id: 'DeletedMessage' });

/** A message, or what is left of a deleted one. */
export const messageSchema = z.union([presentMessageSchema, deletedMessageSchema]).meta({ id: 'Message' });

/** What the edits of a message replaced, oldest first. */
export const editsSchema = z
  .strictObject({
    items: z.array(
      z.strictObject({
        version: version.describe("The chat's at the last change of the message before the edit, be it a reaction."),
        text: z.string(),
        metadata: metadata.optional(),
        replacedAt: time,
      }),
    ),
  })
  .meta({ id: 'Edits' });

/** A page of messages. */
export const pageSchema = z
  .strictObject({
    chatId: uuid,
    items: z.array(messageSchema),
    hasOlder: z.boolean(),
    hasNewer: z.boolean(),
    version,
  })
  .meta({ id: 'Page' });

/** A list of participants. */
export const participantsSchema = z
  .strictObject({ items: z.array(participantSchema), nextAfter: z.string().nullable() })
  .meta({ id: 'Participants' });

/** Where a read marker is. */
export const readStateSchema = z
  .strictObject({ lastReadSeq: z.int().min(0), unread: z.int().min(0) })
  .meta({ id: 'ReadState' });

/** What changed in a chat. */
export const changesSchema = z
  .strictObject({
    chatId: uuid,
    version,
    more: z.boolean(),
    chat: chatSchema.optional(),
    messages: z.array(messageSchema),
    participants: z.array(participantSchema),
    left: z.array(z.string()),
  })
  .meta({ id: 'Changes' });

/** A part of an inbox. */
export const inboxSchema = z
  .strictObject({
    items: z.array(
      z.strictObject({
        chat: chatSchema,
        role,
        lastReadSeq: z.int().min(0),
        unread: z.int().min(0),
        lastMessage: messageSchema.nullable(),
      }),
    ),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: 'Inbox' });

/** The newest messages of many chats. */
export const latestSchema = z.strictObject({ items: z.array(pageSchema) }).meta({ id: 'LatestPages' });

/** An error. */
export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    errors: z.array(z.strictObject({ field: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });

/** What a problem means. */
export const problemPageSchema = z
  .strictObject({ type: z.string(), code: z.string(), status: z.int(), title: z.string(), advice: z.string() })
  .meta({ id: 'ProblemPage' });

/** Where to go on from the root of the server. */
export const startPageSchema = z
  .strictObject({ name: z.string(), docs: z.string(), openapi: z.string(), ready: z.string() })
  .meta({ id: 'StartPage' });
