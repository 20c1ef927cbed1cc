import { ScrollbackError } from '../../common/scrollback-error.js';

/** The error for a chat that does not exist, or that the caller may not know of. */
export function chatNotFound(chatId: string): ScrollbackError {
  return new ScrollbackError('chat_not_found', `There is no chat ${chatId}.`);
}

/** The error for a seq that the chat does not have. */
export function messageNotFound(seq: number): ScrollbackError {
  return new ScrollbackError('message_not_found', `The chat has no message ${seq}.`);
}

/** The error for a change of a message that is a tombstone. */
export function messageDeleted(seq: number): ScrollbackError {
  return new ScrollbackError('message_deleted', `Message ${seq} is deleted and cannot change any more.`);
}

/** The error for a user who is not in the chat. */
export function participantNotFound(userId: string): ScrollbackError {
  return new ScrollbackError('participant_not_found', `${userId} is not in this chat.`);
}
