import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Logger, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { ModuleMetadata } from '@nestjs/common';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { connectFailure } from './connect-failure.js';
import { ChatRepository } from './chat-repository.js';
import { storageOptions } from './data-source-options.js';
import { DatabaseProbe } from './database-probe.js';
import { DatabaseServer } from './database-server.js';
import { Database } from './database.js';
import { entities } from './entities/entities.js';
import { HeadRepository } from './head-repository.js';
import { HeatRepository } from './heat-repository.js';
import { TailRepository } from './tail-repository.js';
import { MessageRepository } from './message-repository.js';
import { migrate } from './migrate.js';
import { isConnectionError } from './sqlstate.js';
import { STORAGE_OPTIONS, type StorageOptions } from './storage-options.js';
import { ChangeFeed } from './write/change-feed.js';
import { GroupCommit } from './write/group-commit.js';

/** How to get {@link StorageOptions} at start. */
export interface StorageModuleAsyncOptions {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: readonly (string | symbol | (new (...args: never[]) => unknown))[];
  readonly useFactory: (...dependencies: never[]) => StorageOptions | Promise<StorageOptions>;
}

/** A database that is not there yet at start is tried this often, once a second. */
const CONNECT_ATTEMPTS = 30;
const CONNECT_RETRY_MS = 1000;

/** Holds the server that the other providers connect to, so that it is up before TypeORM connects. */
@Module({})
class DatabaseServerModule {}

/**
 * The tables, and all that reads and writes them: repositories, group commit, migrations, the embedded PostgreSQL.
 *
 * Starts the server (if embedded), connects and migrates before it is ready. Closes the connections and stops the
 * server in `onApplicationShutdown`, when no request is being served any more.
 */
@Module({})
export class StorageModule implements OnApplicationShutdown {
  readonly #logger = new Logger('Storage');

  constructor(
    @Inject(DatabaseServer) private readonly server: DatabaseServer,
    @InjectDataSource() private readonly dataSource: DataSource,
    @Inject(GroupCommit) private readonly commit: GroupCommit,
  ) {}

  /** Storage with options that are known now. */
  static forRoot(options: StorageOptions): DynamicModule {
    return StorageModule.forRootAsync({ useFactory: () => options });
  }

  /** Storage with options that other providers give. */
  static forRootAsync(options: StorageModuleAsyncOptions): DynamicModule {
    const serverModule: DynamicModule = {
      module: DatabaseServerModule,
      imports: options.imports ?? [],
      providers: [
        { provide: STORAGE_OPTIONS, inject: [...(options.inject ?? [])], useFactory: options.useFactory },
        {
          provide: DatabaseServer,
          inject: [STORAGE_OPTIONS],
          useFactory: (storage: StorageOptions) => DatabaseServer.start(storage),
        },
      ],
      exports: [STORAGE_OPTIONS, DatabaseServer],
    };
    return {
      module: StorageModule,
      imports: [
        serverModule,
        TypeOrmModule.forRootAsync({
          imports: [serverModule],
          inject: [STORAGE_OPTIONS, DatabaseServer],
          useFactory: (storage: StorageOptions, server: DatabaseServer) => ({
            ...storageOptions(server.address, storage),
            // Nest's own tries say nothing of why one failed.
            toRetry: () => false,
          }),
          dataSourceFactory: async (dataSourceOptions) => connect(dataSourceOptions),
        }),
        TypeOrmModule.forFeature(entities),
      ],
      providers: [
        Database,
        DatabaseProbe,
        ChangeFeed,
        GroupCommit,
        ChatRepository,
        MessageRepository,
        HeadRepository,
        HeatRepository,
        TailRepository,
      ],
      exports: [
        serverModule,
        TypeOrmModule,
        Database,
        DatabaseProbe,
        ChangeFeed,
        GroupCommit,
        ChatRepository,
        MessageRepository,
        HeadRepository,
        HeatRepository,
        TailRepository,
      ],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.commit.drain();
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
    await this.server.stop();
    this.#logger.log('Storage is closed.');
  }
}

/** Connects and migrates, again while nobody answers. @throws what the last try has thrown, or what trying again does not mend. */
async function connect(options: DataSourceOptions | undefined): Promise<DataSource> {
  if (options === undefined) throw new TypeError('StorageModule needs DataSource options.');
  const logger = new Logger('Storage');
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(options, logger);
    } catch (error) {
      if (!isConnectionError(error)) throw error;
      logger.warn(connectFailure(error, attempt, CONNECT_ATTEMPTS));
      if (attempt >= CONNECT_ATTEMPTS) throw error;
      await sleep(CONNECT_RETRY_MS);
    }
  }
}

async function connectOnce(options: DataSourceOptions, logger: Logger): Promise<DataSource> {
  const dataSource = await new DataSource(options).initialize();
  try {
    const names = await migrate(dataSource);
    if (names.length > 0) logger.log(`Migrated: ${names.join(', ')}.`);
  } catch (error) {
    await dataSource.destroy();
    throw error;
  }
  return dataSource;
}
