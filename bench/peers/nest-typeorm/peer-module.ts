import type { DynamicModule, Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Chat } from './chat.entity.js';
import { Message } from './message.entity.js';
import { MessagesController } from './messages.controller.js';
import { MessagesService } from './messages.service.js';
import { peerDatabase } from './peer-database.js';
import { ServiceKeyGuard } from './service-key.guard.js';

class PeerModule {}

/** The application, with the plain service or one that caches, and what that one needs beside. */
export function peerModule(
  service: Type<MessagesService>,
  needs: Pick<DynamicModule, 'imports' | 'providers'> = {},
): DynamicModule {
  return {
    module: PeerModule,
    imports: [
      TypeOrmModule.forRoot(peerDatabase(process.env['DATABASE_URL']!)),
      TypeOrmModule.forFeature([Chat, Message]),
      ...(needs.imports ?? []),
    ],
    controllers: [MessagesController],
    providers: [
      { provide: MessagesService, useClass: service },
      { provide: APP_GUARD, useClass: ServiceKeyGuard },
      ...(needs.providers ?? []),
    ],
  };
}
