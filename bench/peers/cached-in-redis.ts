import { Inject, Injectable } from '@nestjs/common';
import { createClient, type RedisClientType } from 'redis';
import type { Message } from './nest-typeorm/message.entity.js';
import { latestPageKey, MessagesService, type MessagePage, type NewMessage } from './nest-typeorm/messages.service.js';
import { peerModule } from './nest-typeorm/peer-module.js';
import { servePeer } from './nest-typeorm/serve-peer.js';

const TTL_SECONDS = 3600;
const REDIS = Symbol('Redis');

/** With REDIS_ANSWERS=text the cached JSON is sent as it is: no documentation shows it, but it is the fastest there is. */
const SENDS_TEXT = process.env['REDIS_ANSWERS'] === 'text';

/** The service with Redis in front, cache-aside: look there, else read and leave it there. */
@Injectable()
class RedisCachedMessagesService extends MessagesService {
  @Inject(REDIS) private readonly redis!: RedisClientType;

  override async findPage(chatId: string, limit: number, before?: string): Promise<MessagePage | string> {
    const key = latestPageKey(chatId, limit, before);
    if (key === undefined) return this.readPage(chatId, limit, before);
    const cached = await this.redis.get(key);
    if (cached !== null) return SENDS_TEXT ? cached : (JSON.parse(cached) as MessagePage);
    const page = await this.readPage(chatId, limit, before);
    await this.redis.set(key, JSON.stringify(page), { EX: TTL_SECONDS });
    return page;
  }

  override async create(chatId: string, message: NewMessage): Promise<Message> {
    const created = await super.create(chatId, message);
    await this.redis.del(`messages:${chatId}`);
    return created;
  }
}

const redis = {
  provide: REDIS,
  useFactory: () => createClient({ url: process.env['REDIS_URL']! }).connect(),
};
await servePeer(peerModule(RedisCachedMessagesService, { providers: [redis] }));
