import { MessagesService } from './nest-typeorm/messages.service.js';
import { peerModule } from './nest-typeorm/peer-module.js';
import { servePeer } from './nest-typeorm/serve-peer.js';

// Nest, TypeORM and PostgreSQL as their documentation shows them: a repository, `find`, objects that Nest serialises.
await servePeer(peerModule(MessagesService));
