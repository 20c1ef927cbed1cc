/** What a message must be by what its sender was told. */
export interface MessageContent {
  readonly text: string;
  readonly metadata: object | undefined;
}

/** One message that a client has sent, however often it had to be sent. */
export interface SentMessage {
  readonly chatId: string;
  readonly senderId: string;
  /** `undefined`: it was sent once and cannot be sent again. Its text is then its name. */
  readonly clientId: string | undefined;
  /** Who sent it: messages of one client to one chat are sent one after the other. */
  readonly client: number;
  readonly original: MessageContent;
  readonly replyTo: number | undefined;
  /** `open` while nobody knows. */
  state: 'open' | 'acknowledged' | 'refused';
  /** Where it is in the line, once acknowledged. */
  seq: number;
  /** The chat's version that its first answer told; 0 when only replays were answered. */
  version: number;
  /** Answers that were not replays: more than one would be two messages. */
  freshAnswers: number;
  /** What the sender has made of it. */
  content: MessageContent | 'deleted';
  /** Every try and what came of it, for who looks into a violation. */
  readonly tries: string[];
}

/** A chat that clients write to. */
export interface LedgerChat {
  readonly chatId: string;
  readonly owner: string;
  title: string;
  /** Highest version that a write was answered with: later reads must be at it or above. */
  version: number;
  /** Acknowledged messages, in the order of their acknowledgement. */
  readonly acknowledged: SentMessage[];
  /** Roles by user, `left` for who has been taken out. */
  readonly members: Map<string, string>;
  /** Read markers by user. */
  readonly markers: Map<string, number>;
  /** Whether a reaction is there, by `seq user emoji`. */
  readonly reactions: Map<string, boolean>;
}

/**
 * What clients have been told, which is all that they may rely on: the database and the cache are checked against it.
 *
 * @remarks Every row has one writer at a time: a message is edited and deleted by its sender's client, an emoji belongs to
 * one client, markers only grow. A client ends one operation before it begins the next. So the last acknowledged operation
 * decides what a row must be, however the clients' operations were interleaved.
 */
export class Ledger {
  readonly sent: SentMessage[] = [];
  readonly #chats = new Map<string, LedgerChat>();

  /** All chats, in the order of their creation. */
  get chats(): readonly LedgerChat[] {
    return [...this.#chats.values()];
  }

  /** Everybody who has been in a chat. */
  get userIds(): string[] {
    return [...new Set(this.chats.flatMap(({ members }) => [...members.keys()]))];
  }

  /** Adds a chat that has been created. */
  addChat(chatId: string, title: string, members: readonly string[]): LedgerChat {
    const owner = members[0]!;
    const roles = members.map((userId): [string, string] => [userId, userId === owner ? 'owner' : 'member']);
    const chat = {
      chatId,
      owner,
      title,
      version: 1,
      acknowledged: [],
      members: new Map(roles),
      markers: new Map<string, number>(),
      reactions: new Map<string, boolean>(),
    };
    this.#chats.set(chatId, chat);
    return chat;
  }

  /** The chat of an id. */
  chat(chatId: string): LedgerChat {
    const chat = this.#chats.get(chatId);
    if (chat === undefined) throw new Error(`the ledger has no chat ${chatId}`);
    return chat;
  }

  /** Notes that a message is about to be sent. */
  open(
    message: Pick<SentMessage, 'chatId' | 'senderId' | 'clientId' | 'client' | 'original' | 'replyTo'>,
  ): SentMessage {
    const sent: SentMessage = {
      ...message,
      state: 'open',
      seq: 0,
      version: 0,
      freshAnswers: 0,
      content: message.original,
      tries: [],
    };
    this.sent.push(sent);
    return sent;
  }
}

/** Names a message and tells what its client went through, for violations. */
export function describeSent({ chatId, senderId, clientId, client, state, seq, tries }: SentMessage): string {
  const name = clientId === undefined ? 'no clientId' : `clientId ${clientId}`;
  return `chat ${chatId} seq ${seq} of ${senderId} (${name}, client ${client}, ${state}; ${tries.join(', ')})`;
}
