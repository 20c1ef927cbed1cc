import { Inject, Injectable } from '@nestjs/common';
import { ChatRepository, type Membership } from '../../storage/chat-repository.js';

/** Those who ask in one turn, and what the database says of them. */
interface Question {
  readonly asked: Map<string, Membership>;
  readonly members: Promise<ReadonlySet<string>>;
}

/**
 * Asks the database whether users are in chats, before a chat is loaded for them: who is not in it must neither make the database read it nor
 * learn by the time that takes that it is there. All who ask in the same turn share one statement; nobody joins one that was sent before, which
 * may be from before they were added.
 */
@Injectable()
export class MembershipReader {
  #next: Question | undefined;

  constructor(@Inject(ChatRepository) private readonly chats: Pick<ChatRepository, 'findMembers'>) {}

  /**
   * Whether a user is in a chat that is there, or was there.
   *
   * @throws ScrollbackError `database_unavailable`.
   */
  async isIn(chatId: string, userId: string): Promise<boolean> {
    const key = keyOf({ chatId, userId });
    this.#next ??= this.#open();
    this.#next.asked.set(key, { chatId, userId });
    return (await this.#next.members).has(key);
  }

  #open(): Question {
    const asked = new Map<string, Membership>();
    return { asked, members: this.#ask(asked) };
  }

  async #ask(asked: ReadonlyMap<string, Membership>): Promise<ReadonlySet<string>> {
    // The turn ends first.
    await Promise.resolve();
    this.#next = undefined;
    return new Set((await this.chats.findMembers([...asked.values()])).map(keyOf));
  }
}

function keyOf({ chatId, userId }: Membership): string {
  return `${chatId} ${userId}`;
}
