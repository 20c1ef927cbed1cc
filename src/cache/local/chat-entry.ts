import type { LoadedChat } from '../../storage/chat-repository.js';
import { isCountable, type MessageRecord, type ParticipantRecord } from '../../storage/records.js';
import type { LoadedChanges } from '../../storage/message-repository.js';
import type { Change } from '../../storage/write/change.js';
import type { AppliedFrom } from '../coherence/applied-log.js';
import { judge, type RepairCause } from '../coherence/protocol.js';
import { BLOCK_SIZE, MessageBlock } from './message-block.js';
import { hashText } from './key-hash.js';
import { Resident } from './resident.js';
import { SortedUserIds } from './sorted-user-ids.js';
import type { EncodedTail } from './tail-encoder.js';
import { chatJson, chatJsonPrefix, messageJson } from './wire-json.js';

/** Heap that an entry costs without participants, blocks and texts: objects, maps, links. */
export const ENTRY_OVERHEAD_BYTES = 1100;

/** Heap of one participant beside the characters of the user id. */
export const MEMBER_OVERHEAD_BYTES = 200;

/** A participant as an entry holds it. */
export interface Member extends Pick<ParticipantRecord, 'userId' | 'role' | 'joinedAtMs' | 'lastReadSeq'> {
  /**
   * The entry's {@link ChatEntry.countable} less the member's unread messages, so that a message raises the unread count of
   * everybody by one addition. `undefined` until somebody asked.
   */
  unreadBase: number | undefined;
}

/**
 * One chat as the database had it at {@link version}: the chat's row, its head, its participants and some of its
 * message blocks. The unit of coherence: all of it is of one version, and the version never goes back.
 *
 * A chat that does not exist has an entry too, which is not {@link isPresent}.
 */
export class ChatEntry extends Resident {
  readonly chatId: string;
  override readonly keyHash: number;
  version: number;
  /** The highest version that somebody has told of. Above {@link version} the entry is behind and may not be read. */
  heardVersion: number;
  /** How the entry has come to be behind. */
  heardFrom: RepairCause = 'gap';
  /** How it came into the cache. */
  source: AppliedFrom = 'fill';
  /** Reads since it came into the cache. */
  hits = 0;
  /** Changes of peers that were applied since it was read last. */
  unseenChanges = 0;
  /** The highest version that a reader or writer has been told here beside the entry's own. */
  #toldVersion = 0;
  /** The highest version up to which changes were skipped, none being missed. */
  #skippedThrough = 0;
  lastSeq: number;
  /** Lowest seq that has a message, one more than {@link lastSeq} when none has. */
  readonly firstSeq: number;
  resetVersion: number;
  /** When the last message was written, or the chat made where it is not there: what an inbox is sorted by. */
  lastActivityMs: number;
  readonly members = new Map<string, Member>();
  readonly blocks = new Map<number, MessageBlock>();
  /** The last message's JSON, there even when its block is not. */
  lastMessage: string | undefined;
  /**
   * Messages that count as unread for others, counted from an arbitrary start: only differences mean something.
   */
  countable = 0;
  #prefix: string;
  readonly #userIds = new SortedUserIds();
  #memberBytes = 0;
  #textBytes = 0;

  /** Makes an entry of what was loaded; of nothing, the entry of a chat that never existed. */
  constructor(chatId: string, loaded: LoadedChat | undefined) {
    super();
    this.chatId = chatId;
    this.keyHash = hashText(chatId);
    this.version = loaded?.head.version ?? 0;
    this.heardVersion = this.version;
    this.lastSeq = loaded?.head.lastSeq ?? 0;
    this.firstSeq = loaded?.firstSeq ?? 1;
    this.resetVersion = loaded?.head.resetVersion ?? 0;
    this.#prefix = loaded?.chat === undefined ? '' : flatten(chatJsonPrefix(loaded.chat));
    this.lastActivityMs = loaded?.chat?.createdAtMs ?? 0;
    if (loaded?.chat === undefined) return;
    for (const participant of loaded.participants) this.#setMember(participant, undefined);
    const last = loaded.messages.at(-1);
    if (last?.seq === this.lastSeq) this.#setLast(last);
    else this.#weighTexts();
  }

  override get bytes(): number {
    return ENTRY_OVERHEAD_BYTES + this.#textBytes + this.#memberBytes;
  }

  /** Whether the chat exists. */
  get isPresent(): boolean {
    return this.#prefix !== '';
  }

  /** Whether something is missing that is known to be there. */
  get isBehind(): boolean {
    return this.version < this.heardVersion;
  }

  /** Whether it may be told as stale, behind or not: nobody has been told anything newer here. */
  get isTellable(): boolean {
    return this.version >= this.#toldVersion;
  }

  /** Takes note that somebody has been told of a version, whatever becomes of the entry. */
  tell(version: number): void {
    this.#toldVersion = Math.max(this.#toldVersion, version);
  }

  /** Version up to which every change was heard of, be it that it was skipped. */
  get knownThrough(): number {
    return Math.max(this.version, this.#skippedThrough);
  }

  /** Takes note of changes from one version to another that are not applied. That the entry is behind, {@link hear} has to tell. */
  skip(from: number, to: number): void {
    if (from <= this.knownThrough + 1) this.#skippedThrough = Math.max(this.#skippedThrough, to);
  }

  /** Learns of a higher version than any before. */
  hear(version: number, cause: RepairCause): void {
    if (!this.isBehind) this.heardFrom = cause;
    this.heardVersion = version;
  }

  /** Takes the newest messages, of the entry's version and ready. For an entry that has none yet. */
  takeTail({ blocks, last }: EncodedTail): void {
    for (const block of blocks) this.blocks.set(block.index, block);
    if (last === undefined) return;
    this.lastMessage = last.json;
    this.lastActivityMs = last.createdAtMs;
    this.#weighTexts();
  }

  /** Cuts loaded messages, which reach to the last one without a gap, into the blocks they fill from their first on. */
  cutBlocks(messages: readonly MessageRecord[]): MessageBlock[] {
    if (messages.length === 0) return [];
    const blocks: MessageBlock[] = [];
    let next = 0;
    const first = MessageBlock.indexOf(messages[0]!.seq);
    for (let index = first; index <= MessageBlock.indexOf(this.lastSeq); index++) {
      const from = next;
      while (next < messages.length && messages[next]!.seq <= (index + 1) * BLOCK_SIZE) next++;
      blocks.push(MessageBlock.of(index, messages.slice(from, next), this.lastSeq));
    }
    return blocks;
  }

  /** The chat's JSON. */
  get json(): string {
    return chatJson(this.#prefix, this.lastSeq, this.version, this.members.size);
  }

  /** User ids of members behind one in the order of their bytes. */
  userIdsAfter(after: string | undefined, limit: number): readonly string[] {
    return this.#userIds.after(after, limit, this.members.keys());
  }

  /** A member's unread messages, `undefined` when they are not counted yet. O(1). */
  unreadOf(member: Member): number | undefined {
    if (member.lastReadSeq >= this.lastSeq) return 0;
    return member.unreadBase === undefined ? undefined : this.countable - member.unreadBase;
  }

  /** Keeps a member's unread messages, counted at the entry's version. */
  setUnread(member: Member, unread: number): void {
    member.unreadBase = this.countable - unread;
  }

  /**
   * Brings the entry one version forward.
   *
   * @returns false when the change cannot be applied and the entry has to be loaded again: it is not the next one, or
   * the chat has come into being.
   */
  apply(change: Change): boolean {
    if (judge(this.version, change.version) !== 'apply' || !this.isPresent) return false;
    switch (change.type) {
      case 'message':
        this.#applyMessage(change.message, change.cause, change.wasCountable);
        break;
      case 'participant':
        this.#applyParticipant(change.participant, change.unread);
        break;
      case 'chat':
        this.#prefix = flatten(chatJsonPrefix(change.chat));
        this.#weighTexts();
        break;
      case 'removed':
        this.#prefix = '';
        this.members.clear();
        this.#memberBytes = 0;
        this.#userIds.clear();
        this.lastMessage = undefined;
        this.#weighTexts();
        break;
      case 'created':
        return false;
    }
    this.version = change.version;
    this.heardVersion = Math.max(this.heardVersion, this.version);
    return true;
  }

  /**
   * Brings the entry to a later version by all that has changed since it was at an earlier one, as it is now. What the entry has got
   * meanwhile does no harm.
   *
   * @returns the seqs of the messages that were written; `undefined`, the entry being as it was, when they do not continue it.
   */
  catchUp({ version, lastSeq, chat, messages, participants }: LoadedChanges): number[] | undefined {
    if (!this.isPresent) return undefined;
    const later = messages.filter((message) => message.version > this.version);
    const added = later.filter((message) => message.seq > this.lastSeq);
    if (added.length !== lastSeq - this.lastSeq) return undefined;
    this.#prefix = flatten(chatJsonPrefix(chat));
    this.#weighTexts();
    for (const message of later) {
      // What a message counted before is not told: all counts are asked for again.
      if (message.seq <= this.lastSeq) this.#forgetUnread();
      this.#applyMessage(message, message.seq > this.lastSeq ? 'sent' : 'changed', false);
    }
    for (const participant of participants) {
      if (participant.version <= this.version) continue;
      this.#applyParticipant(participant, undefined);
      const member = this.members.get(participant.userId);
      if (member !== undefined) member.unreadBase = undefined;
    }
    this.version = version;
    this.heardVersion = Math.max(this.heardVersion, version);
    return later.map(({ seq }) => seq);
  }

  #forgetUnread(): void {
    for (const member of this.members.values()) member.unreadBase = undefined;
  }

  #applyMessage(message: MessageRecord, cause: string, wasCountable: boolean): void {
    const block = this.blocks.get(MessageBlock.indexOf(message.seq));
    let json: string | undefined;
    if (cause === 'sent') {
      this.lastSeq = message.seq;
      if (block === undefined) this.#startBlock(message);
      else if (block.endSeq === message.seq - 1) block.append(message, (json = messageJson(message)));
      if (isCountable(message)) {
        this.countable++;
        const sender = this.members.get(message.senderId);
        if (sender?.unreadBase !== undefined) sender.unreadBase++;
      }
    } else {
      if (block !== undefined && block.endSeq >= message.seq) block.replace(message);
      if (wasCountable && !isCountable(message)) this.#uncount(message);
    }
    if (message.seq === this.lastSeq) this.#setLast(message, json);
  }

  /** Begins a block with its first message, if the tail before it is held: what is held stays without a gap. */
  #startBlock(message: MessageRecord): void {
    const index = MessageBlock.indexOf(message.seq);
    if (message.seq !== index * BLOCK_SIZE + 1) return;
    if (index > 0 && !this.blocks.has(index - 1)) return;
    this.blocks.set(index, MessageBlock.of(index, [message], message.seq));
  }

  /** Takes a message out of the unread counts that it was in. O(members whose count is held). */
  #uncount(message: MessageRecord): void {
    this.countable--;
    for (const member of this.members.values()) {
      const counted = message.seq > member.lastReadSeq && message.senderId !== member.userId;
      if (member.unreadBase !== undefined && !counted) member.unreadBase--;
    }
  }

  #applyParticipant(participant: ParticipantRecord, unread: number | undefined): void {
    const before = this.members.get(participant.userId);
    if (participant.leftAtMs !== null) {
      if (before !== undefined) this.#deleteMember(before);
      return;
    }
    const base = unread === undefined ? before?.unreadBase : this.countable - unread;
    this.#setMember(participant, base);
  }

  #setMember(participant: ParticipantRecord, unreadBase: number | undefined): void {
    if (!this.members.has(participant.userId)) {
      this.#userIds.add(participant.userId);
      this.#memberBytes += memberBytes(participant.userId);
    }
    this.members.set(participant.userId, {
      userId: participant.userId,
      role: participant.role,
      joinedAtMs: participant.joinedAtMs,
      lastReadSeq: participant.lastReadSeq,
      unreadBase,
    });
  }

  #deleteMember(member: Member): void {
    this.members.delete(member.userId);
    this.#userIds.delete(member.userId);
    this.#memberBytes -= memberBytes(member.userId);
  }

  #setLast(message: MessageRecord, json = messageJson(message)): void {
    this.lastMessage = flatten(json);
    this.lastActivityMs = message.createdAtMs;
    this.#weighTexts();
  }

  #weighTexts(): void {
    this.#textBytes = heapBytes(this.#prefix) + heapBytes(this.lastMessage ?? '');
  }
}

/** Makes one string of one that was put together: V8 would keep all its parts, each an object for the collector to visit. */
function flatten(text: string): string {
  return Buffer.from(text).toString();
}

/** Bytes of a text's characters: V8 takes one for each where all are Latin-1, else two. Texts beyond ASCII are taken for the latter. */
function heapBytes(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length;
}

function memberBytes(userId: string): number {
  return MEMBER_OVERHEAD_BYTES + 2 * userId.length;
}
