import { ScrollbackError } from '../../common/scrollback-error.js';
import type { ParticipantRecord } from '../records.js';
import { chatNotFound } from './chat-errors.js';
import type { ChatOperation, SendOperation } from './chat-operation.js';
import { clientIdKey, type LockedChat } from './chat-state.js';

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
      if (operation.senderId !== userId || operation.kind !== 'user') return false;
      return role !== 'readonly' || isReplay(operation, locked);
    case 'react':
      return role !== 'readonly' && operation.userId === userId;
    case 'markRead':
      return operation.userId === userId;
    case 'edit':
    case 'delete': {
      const message = locked.messages.get(operation.seq);
      // Who is in the chat may know which messages it has: that there is none is told as such.
      return isAdmin || message === undefined || (role !== 'readonly' && message.senderId === userId);
    }
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

/** Whether a send repeats one that is stored: it writes nothing, so that it takes no right to write. */
function isReplay(operation: SendOperation, locked: LockedChat): boolean {
  return operation.clientId !== null && locked.clientIds.get(clientIdKey(operation))?.sameContent === true;
}

/** Whether a change of membership makes or unmakes an owner, which only owners may do. Who has left is none any more. */
function touchesOwner(userId: string, role: string | undefined, locked: LockedChat): boolean {
  const participant = locked.participants.get(userId);
  return role === 'owner' || (participant?.role === 'owner' && participant.leftAtMs === null);
}
