import { expect } from '@jest/globals';
import type {
  WireChanges,
  WireChat,
  WireMessage,
  WireParticipant,
  WireParticipants,
} from '../../src/cache/wire-types.js';
import { changesSchema } from '../../src/chat/wire-schemas.js';
import type { ApiClient } from '../support/api-client.js';
import { bodyOf, expectShape } from './expect-answer.js';

/** What a client knows of a chat. */
export interface ReplicaState {
  readonly chat: WireChat | undefined;
  readonly messages: readonly WireMessage[];
  readonly participants: readonly WireParticipant[];
}

/** A client's copy of a chat, which `/changes` keeps up to date. */
export class ChatReplica {
  version = 0;
  private chat: WireChat | undefined;
  private readonly messages = new Map<number, WireMessage>();
  private readonly participants = new Map<string, WireParticipant>();

  /** Copies a chat of up to 200 messages and participants that nobody writes to meanwhile. */
  static async load(api: ApiClient, chatId: string): Promise<ChatReplica> {
    const replica = new ChatReplica();
    replica.chat = await bodyOf(api.get<WireChat>(`/v1/chats/${chatId}`), 200);
    replica.version = replica.chat.version;
    const page = await api.page(chatId, '?limit=200');
    const people = await bodyOf(api.get<WireParticipants>(`/v1/chats/${chatId}/participants?limit=200`), 200);
    for (const message of page.items) replica.messages.set(message.seq, message);
    for (const person of people.items) replica.participants.set(person.userId, person);
    // Of messages that have been purged there are fewer than seqs.
    expect({ page: page.version, hasOlder: page.hasOlder, hasNewer: page.hasNewer }).toEqual({
      page: replica.version,
      hasOlder: false,
      hasNewer: false,
    });
    return replica;
  }

  get state(): ReplicaState {
    return {
      chat: this.chat,
      messages: [...this.messages.values()].sort((one, other) => one.seq - other.seq),
      participants: [...this.participants.values()].sort((one, other) => (one.userId < other.userId ? -1 : 1)),
    };
  }

  /** Asks for changes until there are no more. */
  async catchUp(api: ApiClient, chatId: string, limit: number): Promise<void> {
    for (;;) {
      const answer = await api.get<WireChanges>(`/v1/chats/${chatId}/changes?since=${this.version}&limit=${limit}`);
      expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200, body: { chatId } });
      const changes = expectShape(changesSchema, answer.body) as WireChanges;
      // The page may end before the version that the chat is at.
      const chatVersion = Number(answer.headers.get('chat-version'));
      expect({ more: changes.more, chatVersion }).toEqual({
        more: chatVersion > changes.version,
        chatVersion: Math.max(chatVersion, changes.version),
      });
      const isForward = changes.more ? changes.version > this.version : changes.version >= this.version;
      expect({ since: this.version, version: changes.version, isForward }).toMatchObject({ isForward: true });
      const seqs = changes.messages.map(({ seq }) => seq);
      expect(seqs).toEqual([...new Set(seqs)].sort((one, other) => one - other));
      this.apply(changes);
      if (!changes.more) return;
    }
  }

  /** Takes one page of changes. */
  apply({ version, chat, messages, participants, left }: WireChanges): void {
    if (chat !== undefined) this.chat = chat;
    for (const message of messages) this.messages.set(message.seq, message);
    for (const person of participants) this.participants.set(person.userId, person);
    for (const userId of left) this.participants.delete(userId);
    this.version = version;
  }
}
