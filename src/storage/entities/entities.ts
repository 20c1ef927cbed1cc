import { CacheHeatEntity } from './cache-heat.entity.js';
import { ChatHeadEntity } from './chat-head.entity.js';
import { ChatEntity } from './chat.entity.js';
import { MessageEditEntity } from './message-edit.entity.js';
import { MessageEntity } from './message.entity.js';
import { ParticipantEntity } from './participant.entity.js';
import { ReactionEntity } from './reaction.entity.js';
import { UserProfileEntity } from './user-profile.entity.js';

/** Every entity of the schema. */
export const entities = [
  ChatEntity,
  ChatHeadEntity,
  ParticipantEntity,
  MessageEntity,
  MessageEditEntity,
  ReactionEntity,
  UserProfileEntity,
  CacheHeatEntity,
];
