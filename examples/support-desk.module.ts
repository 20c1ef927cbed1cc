// A Nest application of somebody else that keeps its tickets as chats. In a project of its own the first import reads
// `from 'scrollback'`.
import { Injectable, Module } from '@nestjs/common';
import { CacheModule, ChatRepository, MessageCache, MessageRepository, StorageModule } from '../src/index.js';

const storage = StorageModule.forRootAsync({
  useFactory: () => ({
    databaseUrl: process.env['SUPPORT_DATABASE_URL'], // absent: an embedded PostgreSQL in dataDir
    dataDir: '.support-desk',
    writeQueueMax: 10_000,
  }),
});

const cache = CacheModule.forRootAsync({
  imports: [storage],
  useFactory: () => ({
    mode: 'on' as const,
    maxBytes: 64 * 2 ** 20,
    tailMessages: 100,
    warmDeadlineMs: 10_000,
    pollMs: 1000,
  }),
});

/** Opens tickets and answers them. Writing through the repositories keeps the cache right by itself. */
@Injectable()
export class SupportDesk {
  constructor(
    private readonly cache: MessageCache,
    private readonly messages: MessageRepository,
    private readonly chats: ChatRepository,
  ) {}

  async openTicket(customerId: string, question: string): Promise<string> {
    const { chatId } = await this.chats.createChat({ title: 'Ticket', participants: [{ userId: customerId }] });
    await this.chats.addParticipant(chatId, 'support', 'admin');
    await this.messages.createMessage({ chatId, senderId: customerId, text: question, clientId: 'question' });
    return chatId;
  }

  async answer(chatId: string, text: string): Promise<void> {
    await this.messages.createMessage({ chatId, senderId: 'support', text });
  }

  /** From memory, after the first time. */
  async transcript(chatId: string): Promise<string[]> {
    const page = await this.cache.getMessages(chatId, { limit: 200 });
    return page?.value.items.map(({ senderId, text }) => `${senderId}: ${text ?? '(deleted)'}`) ?? [];
  }

  async openTickets(): Promise<number> {
    return (await this.cache.getUserChats('support')).value.items.length;
  }
}

@Module({ imports: [storage, cache], providers: [SupportDesk] })
export class SupportDeskModule {}
