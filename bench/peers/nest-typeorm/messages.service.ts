import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { DataSource, LessThan, QueryFailedError, Repository } from 'typeorm';
import { Chat } from './chat.entity.js';
import { Message } from './message.entity.js';

/** Messages of a page unless told otherwise. */
export const PAGE_LIMIT = 50;

/** A page of messages, the oldest first. */
export interface MessagePage {
  readonly chatId: string;
  readonly items: readonly Message[];
  readonly hasOlder: boolean;
}

/** What is sent. */
export interface NewMessage {
  readonly senderId: string;
  readonly text: string;
  readonly clientId?: string;
}

/** Reads and writes messages through TypeORM's repositories. */
@Injectable()
export class MessagesService {
  constructor(
    @InjectRepository(Message) private readonly messages: Repository<Message>,
    @InjectRepository(Chat) private readonly chats: Repository<Chat>,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  /**
   * Reads the latest messages of a chat, or those before one: objects, or their JSON. One query: whether the chat exists
   * is asked only when there is nothing to answer.
   *
   * @throws NotFoundException when there is no such chat.
   */
  findPage(chatId: string, limit: number, before?: string): Promise<MessagePage | string> {
    return this.readPage(chatId, limit, before);
  }

  /**
   * Writes a message with the next number of its chat, in one transaction; what was sent before with the same client id
   * is told again. The fewest statements that do it: the chat's row is locked by its UPDATE, and that the client id is new is
   * left to the index.
   *
   * @throws NotFoundException when there is no such chat; nothing is written.
   */
  async create(chatId: string, { senderId, text, clientId }: NewMessage): Promise<Message> {
    try {
      return await this.dataSource.transaction(async (manager) => {
        const createdAt = new Date();
        const { raw } = await manager
          .createQueryBuilder()
          .update(Chat)
          .set({ lastSeq: () => '"lastSeq" + 1', lastMessageAt: createdAt })
          .where({ id: chatId })
          .returning('"lastSeq"')
          .execute();
        const [chat] = raw as { lastSeq: string }[];
        if (chat === undefined) throw new NotFoundException();
        const message = manager.create(Message, { chatId, senderId, text, clientId, createdAt, seq: chat.lastSeq });
        await manager.insert(Message, message);
        return message;
      });
    } catch (error) {
      if (clientId === undefined || !isUniqueViolation(error)) throw error;
      return this.messages.findOneByOrFail({ chatId, senderId, clientId });
    }
  }

  protected async readPage(chatId: string, limit: number, before?: string): Promise<MessagePage> {
    const found = await this.messages.find({
      where: { chatId, ...(before === undefined ? {} : { id: LessThan(before) }) },
      order: { id: 'DESC' },
      take: limit + 1,
    });
    if (found.length === 0 && !(await this.chats.existsBy({ id: chatId }))) throw new NotFoundException();
    return { chatId, items: found.slice(0, limit).reverse(), hasOlder: found.length > limit };
  }
}

/** The key of a chat's latest page where it is cached; pages of other sizes and older ones are not. */
export function latestPageKey(chatId: string, limit: number, before: string | undefined): string | undefined {
  return before === undefined && limit === PAGE_LIMIT ? `messages:${chatId}` : undefined;
}

function isUniqueViolation(error: unknown): boolean {
  return error instanceof QueryFailedError && 'code' in error && error.code === '23505';
}
