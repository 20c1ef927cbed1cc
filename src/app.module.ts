import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { CacheAdminController } from './admin/cache-admin.controller.js';
import { AUTH_OPTIONS, type AuthOptions } from './auth/auth-options.js';
import { CallerGuard } from './auth/caller.guard.js';
import { Callers } from './auth/callers.js';
import { CacheModule } from './cache/cache.module.js';
import { CHAT_OPTIONS, type ChatOptions } from './chat/chat-options.js';
import { ChatsController } from './chat/chats.controller.js';
import { EditsController } from './chat/edits.controller.js';
import { InboxController } from './chat/inbox.controller.js';
import { MessagesController } from './chat/messages.controller.js';
import { ParticipantsController } from './chat/participants.controller.js';
import { Sending } from './chat/sending.js';
import type { Environment } from './config/environment.js';
import { HealthController } from './health/health.controller.js';
import { HealthService } from './health/health.service.js';
import { ProblemFilter } from './http/problem.filter.js';
import { SchemaPipe } from './http/schema-pipe.js';
import { LIMITS_OPTIONS, type LimitsOptions } from './limits/limits-options.js';
import { RequestLimits } from './limits/request-limits.js';
import { Metrics } from './metrics/metrics.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { SignpostsController } from './http/signposts.controller.js';
import type { OpenDatabase } from './storage/open-database.js';
import type { StorageOptions } from './storage/storage-options.js';
import { StorageModule } from './storage/storage.module.js';

/** The one place where the modules meet. */
@Module({})
export class AppModule {
  /**
   * The application as the environment wants it.
   *
   * @param database - opened with {@link storageOptionsOf}; absent: it is opened here.
   */
  static create(environment: Environment, database?: OpenDatabase): DynamicModule {
    const storage = StorageModule.forRoot({ ...storageOptionsOf(environment), database });
    const cache = CacheModule.forRoot({
      imports: [storage],
      mode: environment.CACHE_MODE,
      maxBytes: environment.CACHE_MAX_BYTES,
      policy: environment.CACHE_POLICY,
      tailMessages: environment.CACHE_TAIL_MESSAGES,
      warmDeadlineMs: environment.CACHE_WARM_DEADLINE_MS,
      pollMs: environment.COHERENCE_POLL_MS,
      stalenessBoundMs: environment.STALENESS_BOUND_MS,
      staleReads: environment.STALE_READS,
      bus: environment.COHERENCE_BUS,
      redisUrl: environment.REDIS_URL,
      sharedCache: environment.SHARED_CACHE,
    });
    const auth = authOptions(environment);
    const chat: ChatOptions = { maxTextBytes: environment.MAX_TEXT_BYTES };
    return {
      module: AppModule,
      imports: [storage, cache, TerminusModule.forRoot({ logger: false })],
      controllers: [
        ChatsController,
        ParticipantsController,
        MessagesController,
        EditsController,
        InboxController,
        CacheAdminController,
        HealthController,
        MetricsController,
        SignpostsController,
      ],
      providers: [
        { provide: AUTH_OPTIONS, useValue: auth },
        { provide: CHAT_OPTIONS, useValue: chat },
        { provide: LIMITS_OPTIONS, useValue: limitsOptions(environment) },
        Callers,
        CallerGuard,
        RequestLimits,
        Sending,
        { provide: APP_GUARD, useExisting: CallerGuard },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useClass: SchemaPipe },
        HealthService,
        Metrics,
      ],
    };
  }
}

/** The storage as the environment wants it. */
export function storageOptionsOf(environment: Environment): StorageOptions {
  return {
    databaseUrl: environment.DATABASE_URL,
    dataDir: environment.SCROLLBACK_DATA_DIR,
    poolMax: environment.DATABASE_POOL_MAX,
    writeQueueMax: environment.WRITE_QUEUE_MAX,
    slowSqlMs: environment.LOG_SLOW_SQL_MS,
  };
}

function authOptions(environment: Environment): AuthOptions {
  const { AUTH_MODE, AUTH_KEYS, AUTH_JWT_SECRET, AUTH_JWKS_URL, AUTH_JWT_ISSUER, AUTH_JWT_AUDIENCE } = environment;
  const keys = AUTH_JWT_SECRET === undefined ? { jwksUrl: AUTH_JWKS_URL! } : { secret: AUTH_JWT_SECRET };
  return {
    isOpen: AUTH_MODE === 'none',
    keys: AUTH_MODE.includes('key') ? AUTH_KEYS! : [],
    tokens: AUTH_MODE.includes('jwt') ? { keys, issuer: AUTH_JWT_ISSUER, audience: AUTH_JWT_AUDIENCE } : undefined,
  };
}

function limitsOptions(environment: Environment): LimitsOptions {
  return {
    rateMax: environment.RATE_LIMIT_MAX,
    rateWindowMs: environment.RATE_LIMIT_WINDOW_MS,
    redisUrl: environment.REDIS_URL,
    countsForwardedAddresses: environment.TRUSTED_PROXIES !== undefined,
    maxRequestsInFlight: environment.MAX_REQUESTS_IN_FLIGHT,
    maxEventLoopDelayMs: environment.MAX_EVENT_LOOP_DELAY_MS,
  };
}
