import { ScrollbackError } from '../../common/scrollback-error.js';
import type { ParticipantRecord } from '../records.js';
import { chatNotFound } from './chat-errors.js';
import type { ChatOperation } from './chat-operation.js';
import type { LockedChat } from './chat-state.js';

/**
 * Refuses what the actor's role does not allow, by what the database says under the chat's lock: a membership that was
 * taken away a moment ago does not count, whatever a cache still believes.
 *
 * @throws ScrollbackError `chat_not_found` for a user who is not in the chat, `forbidden` for one whose role is too low.
 */
export function checkRights(operation: ChatOperation, locked: LockedChat): void {
  const { actor } = operation;
  if (actor.type === 'service') return;
  const participant = locked.participants.get(actor.userId);
  if (participant === undefined || participant.leftAtMs !== null) throw chatNotFound(operation.chatId);
  if (!isAllowed(operation, participant, locked)) {
    throw new ScrollbackError('forbidden', `The role ${participant.role} does not allow this.`);
  }
}

function isAllowed(operation: ChatOperation, { role, userId }: ParticipantRecord, locked: LockedChat): boolean {
  const isAdmin = role === 'owner' || role === 'admin';
  switch (operation.type) {
    case 'send':
      return role !== 'readonly' && operation.senderId === userId && operation.kind === 'user';
    case 'react':
      return role !== 'readonly' && operation.userId === userId;
    case 'markRead':
      return operation.userId === userId;
    case 'edit':
    case 'delete':
      return isAdmin || (role !== 'readonly' && locked.messages.get(operation.seq)?.senderId === userId);
    case 'join':
      return isAdmin && (role === 'owner' || !touchesOwner(operation.userId, operation.role, locked));
    case 'leave':
      return (
        operation.userId === userId ||
        (isAdmin && (role === 'owner' || !touchesOwner(operation.userId, undefined, locked)))
      );
    case 'update':
      return isAdmin;
    case 'remove':
      return role === 'owner';
  }
}

/** Whether a change of membership makes or unmakes an owner, which only owners may do. */
function touchesOwner(userId: string, role: string | undefined, locked: LockedChat): boolean {
  return role === 'owner' || locked.participants.get(userId)?.role === 'owner';
}
