import {
  Inject,
  Module,
  type DynamicModule,
  type ModuleMetadata,
  type OnApplicationBootstrap,
  type BeforeApplicationShutdown,
} from '@nestjs/common';
import { CACHE_OPTIONS, type CacheOptions } from './cache-options.js';
import { CacheState } from './cache-state.js';
import { CacheStats } from './cache-stats.js';
import { COHERENCE_BUS } from './coherence/bus/coherence-bus.js';
import { makeBus } from './coherence/bus/make-bus.js';
import { CoherenceStats } from './coherence/coherence-stats.js';
import { Peers } from './coherence/peers.js';
import { Poller } from './coherence/poller.js';
import { Revalidator } from './coherence/revalidator.js';
import { Explainer } from './coherence/verify/explainer.js';
import { Sampler } from './coherence/verify/sampler.js';
import { Verifier } from './coherence/verify/verifier.js';
import { ModeSwitch } from './lifecycle/mode-switch.js';
import { Persister } from './lifecycle/persister.js';
import { Warmer } from './lifecycle/warmer.js';
import { MessageCache, PAST_ANSWERS } from './message-cache.js';
import { ChatRepository } from '../storage/chat-repository.js';
import { DatabaseServer } from '../storage/database-server.js';
import { HeadRepository } from '../storage/head-repository.js';
import { MessageRepository } from '../storage/message-repository.js';
import { TailRepository } from '../storage/tail-repository.js';
import { ChangeFeed } from '../storage/write/change-feed.js';
import { AnswerReader } from './read/answer-reader.js';
import { ChatDropper } from './read/chat-dropper.js';
import { ChatReader } from './read/chat-reader.js';
import { ChatRepairer } from './read/chat-repairer.js';
import { InboxReader } from './read/inbox-reader.js';
import { MembershipReader } from './read/membership-reader.js';
import { MessageReader } from './read/message-reader.js';
import { UnreadReader } from './read/unread-reader.js';
import { SharedChats, makeSharedChats } from './shared/shared-chats.js';
import { SharedEraser } from './shared/shared-eraser.js';
import { ChangeApplier } from './write/change-applier.js';

/** How to get {@link CacheOptions} at start, and the module that gives the repositories. */
export interface CacheModuleAsyncOptions {
  /** Must bring `StorageModule`. */
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: readonly (string | symbol | (new (...args: never[]) => unknown))[];
  readonly useFactory: (...dependencies: never[]) => CacheOptions | Promise<CacheOptions>;
}

/**
 * The cache. At start it takes its first look at the database and begins to warm; from time to time, and at the end while the
 * database is still there, it saves which chats are hot.
 *
 * @remarks Not global: its shutdown must come before storage's, which Nest orders by who imports whom.
 */
@Module({})
export class CacheModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    @Inject(Peers) private readonly peers: Peers,
    @Inject(Poller) private readonly poller: Poller,
    @Inject(Warmer) private readonly warmer: Warmer,
    @Inject(Persister) private readonly persister: Persister,
    @Inject(Sampler) private readonly sampler: Sampler,
  ) {}

  /** A cache with options that are known now. */
  static forRoot(options: CacheOptions & { readonly imports?: ModuleMetadata['imports'] }): DynamicModule {
    return CacheModule.forRootAsync({ imports: options.imports ?? [], useFactory: () => options });
  }

  /** A cache with options that other providers give. */
  static forRootAsync(options: CacheModuleAsyncOptions): DynamicModule {
    return {
      module: CacheModule,
      imports: options.imports ?? [],
      providers: [
        { provide: CACHE_OPTIONS, inject: [...(options.inject ?? [])], useFactory: options.useFactory },
        CacheState,
        CacheStats,
        CoherenceStats,
        ChangeApplier,
        Revalidator,
        ChatRepairer,
        MembershipReader,
        { provide: SharedChats, inject: [CACHE_OPTIONS, ChatRepository, HeadRepository], useFactory: makeSharedChats },
        {
          provide: SharedEraser,
          inject: [SharedChats, CacheState, ChangeFeed],
          useFactory: (shared: SharedChats | undefined, state: CacheState, feed: ChangeFeed) =>
            shared === undefined ? undefined : new SharedEraser(shared, state, feed),
        },
        {
          provide: ChatReader,
          inject: [
            ...[SharedChats, ChatRepository, CacheState, CacheStats],
            ...[TailRepository, ChatRepairer, Revalidator, MembershipReader],
          ],
          useFactory: (
            shared: SharedChats | undefined,
            chats: ChatRepository,
            ...parts: [CacheState, CacheStats, TailRepository, ChatRepairer, Revalidator, MembershipReader]
          ) => new ChatReader(shared ?? chats, ...parts),
        },
        {
          provide: ChatDropper,
          inject: [CacheState, SharedChats],
          useFactory: (state: CacheState, shared: SharedChats | undefined) => new ChatDropper(state, shared),
        },
        MessageReader,
        UnreadReader,
        InboxReader,
        {
          provide: AnswerReader,
          inject: [ChatReader, MessageReader, InboxReader, MessageRepository, CacheState],
          useFactory: (...parts: ConstructorParameters<typeof AnswerReader>) => new AnswerReader(...parts),
        },
        {
          provide: PAST_ANSWERS,
          inject: [CacheState, CacheStats, Revalidator, ChatRepository, MessageRepository, TailRepository],
          useFactory: (
            state: CacheState,
            stats: CacheStats,
            doubts: Revalidator,
            chatRepository: ChatRepository,
            messageRepository: MessageRepository,
            tailRepository: TailRepository,
          ) => AnswerReader.past(state.past(), stats, doubts, { chatRepository, messageRepository, tailRepository }),
        },
        MessageCache,
        { provide: COHERENCE_BUS, inject: [CACHE_OPTIONS, DatabaseServer, HeadRepository], useFactory: makeBus },
        Poller,
        Peers,
        Warmer,
        Persister,
        ModeSwitch,
        Verifier,
        Sampler,
        Explainer,
      ],
      exports: [
        MessageCache,
        CacheState,
        CacheStats,
        ChatDropper,
        SharedChats,
        CoherenceStats,
        COHERENCE_BUS,
        Poller,
        Warmer,
        ModeSwitch,
        Verifier,
        Sampler,
        Explainer,
        CACHE_OPTIONS,
      ],
    };
  }

  async onApplicationBootstrap(): Promise<void> {
    // What peers publish after the first look must be heard; what they published before it, it finds.
    await this.peers.start();
    await this.poller.start();
    this.warmer.start();
    this.persister.start();
    this.sampler.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.persister.stop();
  }
}
