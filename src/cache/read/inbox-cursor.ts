import { invalidField } from '../../common/scrollback-error.js';
import { UUID_PATTERN } from '../../common/uuid.js';

/** A place in an inbox: behind the chat with this activity and id. */
export interface InboxPosition {
  readonly activityMs: number;
  readonly chatId: string;
}

/** Writes a position as the opaque text that the API calls a cursor. */
export function inboxCursor({ activityMs, chatId }: InboxPosition): string {
  return Buffer.from(`${activityMs} ${chatId}`).toString('base64url');
}

/**
 * Reads a cursor.
 *
 * @throws ScrollbackError `invalid_input` for a text that is not a cursor.
 */
export function parseInboxCursor(cursor: string): InboxPosition {
  const [activity, chatId, ...rest] = Buffer.from(cursor, 'base64url').toString().split(' ');
  const activityMs = Number(activity);
  if (!Number.isSafeInteger(activityMs) || chatId === undefined || !UUID_PATTERN.test(chatId) || rest.length > 0) {
    throw invalidField('cursor', 'is not a nextCursor of an earlier answer');
  }
  return { activityMs, chatId };
}
