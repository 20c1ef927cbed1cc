import type { LoadedChat } from '../../../storage/chat-repository.js';
import type { LoadedMessages } from '../../../storage/message-repository.js';
import { ChatEntry } from '../../local/chat-entry.js';
import { MessageBlock } from '../../local/message-block.js';

/**
 * How what is held differs from the database: it is at an older or a newer version, or at the same and something in it is wrong: the
 * chat itself, its participants, messages, an unread count; or a user's index lacks the chat.
 */
export const DIVERGENCE_KINDS = ['behind', 'ahead', 'chat', 'participants', 'messages', 'unread', 'index'] as const;

/** One of {@link DIVERGENCE_KINDS}. */
export type DivergenceKind = (typeof DIVERGENCE_KINDS)[number];

/** Compares an entry with the chat as it was loaded at the same version. `undefined` when they say the same. */
export function compareChat(entry: ChatEntry, loaded: LoadedChat | undefined): DivergenceKind | undefined {
  const stored = new ChatEntry(entry.chatId, loaded);
  if (!hasSameMembers(entry, stored)) return 'participants';
  if (entry.isPresent !== stored.isPresent) return 'chat';
  if (!stored.isPresent || loaded === undefined) return undefined;
  if (entry.json !== stored.json || entry.firstSeq !== stored.firstSeq || entry.lastSeq !== stored.lastSeq)
    return 'chat';
  if (entry.lastMessage !== stored.lastMessage) return 'messages';
  return stored.cutBlocks(loaded.messages).every((block) => isSameAsHeld(entry, block)) ? undefined : 'messages';
}

/** Whether the block that an entry holds says the same as messages that were loaded at the same version. True where none is held. */
export function hasSameMessages(entry: ChatEntry, index: number, { messages, lastSeq }: LoadedMessages): boolean {
  return isSameAsHeld(entry, MessageBlock.of(index, messages, lastSeq));
}

function isSameAsHeld(entry: ChatEntry, stored: MessageBlock): boolean {
  const held = entry.blocks.get(stored.index);
  if (held === undefined) return true;
  // A block that ends early is not used.
  if (held.endSeq < stored.endSeq) return true;
  return held.slice(held.firstSeq, held.endSeq).equals(stored.slice(stored.firstSeq, stored.endSeq));
}

function hasSameMembers(entry: ChatEntry, stored: ChatEntry): boolean {
  if (entry.members.size !== stored.members.size) return false;
  for (const [userId, member] of stored.members) {
    const held = entry.members.get(userId);
    if (held?.role !== member.role || held.lastReadSeq !== member.lastReadSeq) return false;
    if (held.joinedAtMs !== member.joinedAtMs) return false;
  }
  return true;
}
