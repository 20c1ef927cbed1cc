import { hashText } from './key-hash.js';
import { Resident } from './resident.js';

/** Heap of a user's index without its chats. */
const USER_OVERHEAD_BYTES = 500;

/** Heap of one chat id in the set: the slot, and the text where no entry shares it. */
const CHAT_ID_BYTES = 110;

/**
 * The chats that a user is in. It may name a chat too many for a while, never one too few: what a reader takes from it
 * is checked against the chat's own members, which are of the chat's version.
 */
export class UserEntry extends Resident {
  readonly chatIds: Set<string>;
  override readonly keyHash: number;

  constructor(
    readonly userId: string,
    chatIds: Iterable<string>,
  ) {
    super();
    this.chatIds = new Set(chatIds);
    this.keyHash = hashText(userId);
  }

  override get bytes(): number {
    return USER_OVERHEAD_BYTES + this.userId.length * 2 + this.chatIds.size * CHAT_ID_BYTES;
  }
}
