import { ScrollbackError } from '../../common/scrollback-error.js';
import type { MessageRecord } from '../records.js';

/**
 * Different emoji on one message. Every reader of the message gets all of them: too high and a member makes one that is a burden to all; too
 * low and a lively chat runs into it.
 */
const MAX_EMOJI = 100;

/**
 * Lets an emoji onto a message that has it already, or has few enough others. One that got more by SQL keeps them.
 *
 * @throws ScrollbackError `too_many_reactions`.
 */
export function requireRoomFor(emoji: string, { seq, reactions }: MessageRecord): void {
  if (reactions.length < MAX_EMOJI || reactions.some((summary) => summary.emoji === emoji)) return;
  throw new ScrollbackError(
    'too_many_reactions',
    `Message ${seq} has ${MAX_EMOJI} different emoji and takes no other.`,
    [{ field: 'emoji', message: `would be the message's ${reactions.length + 1}th` }],
  );
}
