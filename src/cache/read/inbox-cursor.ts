import { invalidField } from '../../common/scrollback-error.js';
import { ShownChats } from './shown-chats.js';

/** A place in an inbox: behind the chats that have been shown, wherever they are now. */
export type InboxPosition = Pick<ShownChats, 'has'>;

/** Writes a position as the opaque text that the API calls a cursor: about 1.7 characters for eight chats of the user. */
export function inboxCursor(shown: ShownChats, userId: string): string {
  return shown.toBytes(userId).toString('base64url');
}

/**
 * Reads a cursor.
 *
 * @throws ScrollbackError `invalid_input` for a text that is not a cursor of this user's inbox.
 */
export function parseInboxCursor(cursor: string, userId: string): InboxPosition {
  const shown = /^[\w-]*$/.test(cursor) ? ShownChats.parse(Buffer.from(cursor, 'base64url'), userId) : undefined;
  if (shown === undefined) throw invalidField('cursor', 'is not a nextCursor of an earlier answer');
  return shown;
}
