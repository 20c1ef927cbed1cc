import type { MessageRecord, ReactionSummary } from '../records.js';
import { REACTION_USERS_SHOWN } from '../statements/read-rows.js';
import type { RowWrites } from './chat-state.js';

type Reaction = NonNullable<RowWrites['react']>;

/**
 * Messages of one chat as the reactions that a batch has decided so far leave them, so that the next one is decided by all before it: right in
 * which emoji there are and how many of each. Who is named first is told by the rows, once they are written.
 */
export class ReactionTally {
  readonly #messages = new Map<number, MessageRecord>();

  /** The message, if the batch has changed its reactions. */
  find(seq: number): MessageRecord | undefined {
    return this.#messages.get(seq);
  }

  /** Takes the next reaction of the batch into account. @param before - the message before it. */
  note(before: MessageRecord, reaction: Reaction, version: number): void {
    this.#messages.set(before.seq, { ...before, version, reactions: withReaction(before.reactions, reaction) });
  }
}

function withReaction(
  reactions: readonly ReactionSummary[],
  { userId, emoji, present }: Reaction,
): readonly ReactionSummary[] {
  const before = reactions.find((each) => each.emoji === emoji) ?? { emoji, count: 0, userIds: [] };
  const others = before.userIds.filter((each) => each !== userId);
  const after: ReactionSummary = {
    emoji,
    count: before.count + (present ? 1 : -1),
    userIds: present ? [...others, userId].slice(0, REACTION_USERS_SHOWN) : others,
  };
  if (after.count < 1) return reactions.filter((each) => each !== before);
  return before.count === 0 ? [...reactions, after] : reactions.map((each) => (each === before ? after : each));
}
