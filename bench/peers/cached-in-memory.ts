import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { MessagesService } from './nest-typeorm/messages.service.js';
import { peerModule } from './nest-typeorm/peer-module.js';
import { servePeer } from './nest-typeorm/serve-peer.js';

const TTL_MS = 3_600_000;

// "Auto-caching responses" of Nest's documentation: the interceptor before every GET, the default store. A write does not
// reach the cache: readers see it when the time to live is over.
await servePeer(
  peerModule(MessagesService, {
    imports: [CacheModule.register({ ttl: TTL_MS })],
    providers: [{ provide: APP_INTERCEPTOR, useClass: CacheInterceptor }],
  }),
);
