import { firstChats, uuidOf, writerIdentities, type WriterIdentity } from '../faults/workload.js';
import type { HistorySend } from '../history/history.js';

/** A chat that the clients of a crowd share. */
export interface SharedChat {
  readonly chatId: string;
  readonly members: readonly string[];
  /** What was sent and acknowledged, by anybody. */
  readonly sent: HistorySend[];
}

/**
 * Eight clients and twelve chats, in half of what they do the same one. Crowds do not know each other: more of them is more load with
 * no more of it on one chat, so that what a chat has to be checked for does not grow.
 */
export interface Crowd {
  readonly identities: readonly WriterIdentity[];
  /** The hot ones first. */
  readonly chats: readonly SharedChat[];
}

/** Chats of a crowd, its first ones, that have everybody in them and most of the work. */
export const HOT_CHATS = 3;

/** The crowds of a seed. */
export function crowdsOf(seed: number, count: number): Crowd[] {
  return Array.from({ length: count }, (_unused, crowd) => {
    const nameOf = (userId: string): string => `${userId} ${crowd}`;
    const identities = writerIdentities().map(({ client, userId, ...rest }, _at, all) => {
      return { ...rest, client: crowd * all.length + client, userId: nameOf(userId) };
    });
    const chats = firstChats(seed).map(({ chatId, members }) => {
      return { chatId: uuidOf(`${chatId} ${crowd}`), members: members.map(nameOf), sent: [] };
    });
    return { identities, chats };
  });
}
