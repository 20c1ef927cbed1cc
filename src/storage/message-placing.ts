import type { MessageLine } from './transfer-records.js';

/** What became of a message of an import. */
export type ImportOutcome = 'added' | 'present' | 'early' | { readonly refused: string };

/** A message that is ready to be placed: what does not depend on its place is written for COPY already. */
export interface PreparedMessage {
  readonly message: MessageLine;
  /** Where it was in its file. */
  readonly lineNumber: number;
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
  /** Messages of the chat have been deleted for good: what is missing before its end is not filled in again. */
  isPurged: boolean;
  /** The version of all messages that this batch has put into holes; `undefined`: none yet. */
  filledVersion: number | undefined;
  /** First message's time and last message's seq of those who wrote in this batch. */
  readonly writers: Map<string, { firstMs: number; lastSeq: number }>;
}

/** How messages are placed. */
export interface PlacingRules {
  /** Chats whose participants are listed: writing does not make anybody one. */
  readonly listsParticipants: ReadonlySet<string>;
  /** Whether a line that ends at `lastSeq` may go on with this message, although those between are missing. */
  mayPass(next: PlaceableMessage, lastSeq: number): boolean;
  /** Told of a message that is refused, before the next one is placed. `lastSeq` is the end of its chat's line; `undefined`: there is no such chat. */
  onRefused(refused: PreparedMessage, lastSeq: number | undefined): void;
}

/** A message that names its seq. */
export interface PlaceableMessage {
  readonly chatId: string;
  readonly seq: number;
  readonly lineNumber: number;
}

/** By what a message is recognised. */
export interface Identity {
  readonly senderId: string;
  readonly createdMs: number;
}

/** What the database knows of the messages that a batch may repeat. */
export interface Known {
  /** Sender and time by `chatId seq`. */
  readonly bySeq: ReadonlyMap<string, Identity>;
  /** Keys `chatId sender clientId`. */
  readonly clientIds: Set<string>;
}

/**
 * Finds the place of a message in the line of its chat, and notes it as taken: behind the end, or in a hole before it.
 *
 * Messages in holes are history, as those that somebody inserts by hand: one step of the version for all of a batch, and whoever has an
 * older one is told to load the chat anew.
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
  const { message, lineNumber } = prepared;
  const { chatId, senderId, clientId, replyTo } = message;
  const seq = message.seq ?? place.lastSeq + 1;
  const isFilling = seq <= place.lastSeq;
  if (isFilling) {
    const there = known.bySeq.get(`${chatId} ${seq}`) ?? identify(placed, chatId, seq);
    if (there !== undefined) {
      const isSame = there.senderId === senderId && there.createdMs === message.createdAtMs;
      return isSame ? 'present' : { refused: `seq: ${seq} of this chat is another message already` };
    }
    if (place.isPurged) return { refused: `seq: ${seq} of this chat was deleted for good` };
  } else if (seq > place.lastSeq + 1 && !rules.mayPass({ chatId, seq, lineNumber }, place.lastSeq)) return 'early';
  const clientKey = clientId === null ? '' : `${chatId} ${senderId}\u0000${clientId}`;
  if (clientId !== null && known.clientIds.has(clientKey)) {
    return message.seq === null ? 'present' : { refused: 'client_id: belongs to another message of this sender' };
  }
  if (replyTo !== null && replyTo >= seq) return { refused: `reply_to: there is no message ${replyTo} before it` };
  if (clientId !== null) known.clientIds.add(clientKey);
  let version: number;
  if (isFilling) {
    version = place.filledVersion ??= ++place.version;
  } else {
    // The version moves as far as the line does, as if what is missing had been sent: changes find new messages by that.
    place.version += seq - place.lastSeq;
    place.lastSeq = seq;
    ({ version } = place);
  }
  placed.push({ message, lineNumber, columns: prepared.columns, seq, version });
  const writer = place.writers.get(senderId);
  if (writer === undefined) place.writers.set(senderId, { firstMs: message.createdAtMs, lastSeq: seq });
  else writer.lastSeq = Math.max(writer.lastSeq, seq);
  return 'added';
}

/** Sender and time of a message that this batch has placed. */
function identify(placed: readonly PlacedMessage[], chatId: string, seq: number): Identity | undefined {
  const found = placed.findLast((each) => each.seq === seq && each.message.chatId === chatId)?.message;
  return found === undefined ? undefined : { senderId: found.senderId, createdMs: found.createdAtMs };
}
