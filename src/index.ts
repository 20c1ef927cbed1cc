// What a Nest application that embeds Scrollback imports. Everything else is an implementation and may change.
export { CacheModule, type CacheModuleAsyncOptions } from './cache/cache.module.js';
export { CACHE_MODES, type CacheMode, type CacheOptions } from './cache/cache-options.js';
export { EVICTION_POLICIES, type EvictionPolicyName } from './cache/local/eviction/eviction-policy.js';
export { CachedJson } from './cache/cached-json.js';
export { MessageCache, type ReadOptions } from './cache/message-cache.js';
export type { MessagesQuery } from './cache/read/page-range.js';
export type {
  WireChanges,
  WireChat,
  WireInbox,
  WireMessage,
  WirePage,
  WireParticipant,
  WireParticipants,
} from './cache/wire-types.js';
export { ScrollbackError } from './common/scrollback-error.js';
export type { ErrorCode } from './common/error-codes.js';
export { ChatRepository, type CreatedChat, type NewChat } from './storage/chat-repository.js';
export { MessageRepository, type NewMessage } from './storage/message-repository.js';
export { StorageModule, type StorageModuleAsyncOptions } from './storage/storage.module.js';
export type { StorageOptions } from './storage/storage-options.js';
export type { Actor, OperationResult } from './storage/write/chat-operation.js';
