import type { MessageLine } from './transfer-records.js';

/** What became of a message of an import. */
export type ImportOutcome = 'added' | 'present' | 'early' | { readonly refused: string };

/** A message that is ready to be placed: what does not depend on its place is written for COPY already. */
export interface PreparedMessage {
  readonly message: MessageLine;
  /** Columns of `IMPORT_MESSAGES` behind chat, seq and version. */
  readonly columns: string;
}

/** A message with its place. */
export interface PlacedMessage extends PreparedMessage {
  readonly seq: number;
  readonly version: number;
}

/** Where the line of one chat has come to while a batch is placed on it. */
export interface Place {
  lastSeq: number;
  version: number;
  /** First message's time and last message's seq of those who wrote in this batch. */
  readonly writers: Map<string, { firstMs: number; lastSeq: number }>;
}

/** How messages are placed; each set names chats. */
export interface PlacingRules {
  /** Their participants are listed: writing does not make anybody one. */
  readonly listsParticipants: ReadonlySet<string>;
  /** Messages are missing in their lines because they were purged: what comes next may have any higher seq. */
  readonly hasHoles: Pick<ReadonlySet<string>, 'has'>;
  /** Lines that begin with the first message that comes, whatever its seq, if there is none yet. */
  readonly beginsLater: ReadonlySet<string>;
}

/** What the database knows of the messages that a batch may repeat. */
export interface Known {
  /** Sender and time by `chatId seq`. */
  readonly bySeq: ReadonlyMap<string, { readonly senderId: string; readonly createdMs: number }>;
  /** Keys `chatId sender clientId`. */
  readonly clientIds: Set<string>;
}

/**
 * Finds the place of a message in the line of its chat, and notes it as taken.
 *
 * @param place - brought forward by the message.
 * @param placed - gets the message if it has to be written.
 */
export function placeMessage(
  prepared: PreparedMessage,
  place: Place,
  known: Known,
  rules: PlacingRules,
  placed: PlacedMessage[],
): ImportOutcome {
  const { message } = prepared;
  const { chatId, senderId, clientId, replyTo } = message;
  const seq = message.seq ?? place.lastSeq + 1;
  if (seq <= place.lastSeq) {
    const there = known.bySeq.get(`${chatId} ${seq}`);
    if (there === undefined) return { refused: `seq: ${seq} comes a second time or behind a higher one, or is purged` };
    const isSame = there.senderId === senderId && there.createdMs === message.createdAtMs;
    return isSame ? 'present' : { refused: `seq: ${seq} of this chat is another message already` };
  }
  const mayJump = rules.hasHoles.has(chatId) || (place.lastSeq === 0 && rules.beginsLater.has(chatId));
  if (seq > place.lastSeq + 1 && !mayJump) return 'early';
  const clientKey = clientId === null ? '' : `${chatId} ${senderId}\u0000${clientId}`;
  if (clientId !== null && known.clientIds.has(clientKey)) {
    return message.seq === null ? 'present' : { refused: 'client_id: belongs to another message of this sender' };
  }
  if (replyTo !== null && replyTo >= seq) return { refused: `reply_to: there is no message ${replyTo} before it` };
  if (clientId !== null) known.clientIds.add(clientKey);
  // The version moves as far as the line does, as if what is missing had been sent: changes find new messages by that.
  place.version += seq - place.lastSeq;
  place.lastSeq = seq;
  placed.push({ ...prepared, seq: place.lastSeq, version: place.version });
  const writer = place.writers.get(senderId);
  if (writer === undefined) place.writers.set(senderId, { firstMs: message.createdAtMs, lastSeq: place.lastSeq });
  else writer.lastSeq = place.lastSeq;
  return 'added';
}
