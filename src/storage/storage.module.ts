import { Inject, Logger, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { ModuleMetadata } from '@nestjs/common';
import { InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { ChatRepository } from './chat-repository.js';
import { DatabaseProbe } from './database-probe.js';
import { DatabaseServer } from './database-server.js';
import { Database } from './database.js';
import { entities } from './entities/entities.js';
import { HeadRepository } from './head-repository.js';
import { HeatRepository } from './heat-repository.js';
import { TailRepository } from './tail-repository.js';
import { MessageRepository } from './message-repository.js';
import { closeDatabase, openDatabase, type OpenDatabase } from './open-database.js';
import { STORAGE_OPTIONS, type StorageOptions } from './storage-options.js';
import { ChangeFeed } from './write/change-feed.js';
import { GroupCommit } from './write/group-commit.js';

/** How to get {@link StorageOptions} at start. */
export interface StorageModuleAsyncOptions {
  readonly imports?: ModuleMetadata['imports'];
  readonly inject?: readonly (string | symbol | (new (...args: never[]) => unknown))[];
  readonly useFactory: (...dependencies: never[]) => StorageOptions | Promise<StorageOptions>;
}

/** Injection token of the {@link OpenDatabase}. */
const OPEN_DATABASE = Symbol('OpenDatabase');

/** Holds the database that the other providers use, so that it is open before TypeORM's module asks for it. */
@Module({})
class DatabaseServerModule {}

/**
 * The tables, and all that reads and writes them: repositories, group commit, migrations, the embedded PostgreSQL.
 *
 * Starts the server (if embedded), connects and migrates before it is ready. Closes the connections and stops the
 * server in `onApplicationShutdown`, when no request is being served any more.
 */
@Module({})
export class StorageModule implements OnApplicationShutdown, OpenDatabase {
  readonly #logger = new Logger('Storage');

  constructor(
    @Inject(DatabaseServer) readonly server: DatabaseServer,
    @InjectDataSource() readonly dataSource: DataSource,
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
          provide: OPEN_DATABASE,
          inject: [STORAGE_OPTIONS],
          useFactory: (storage: StorageOptions) => storage.database ?? openDatabase(storage),
        },
        { provide: DatabaseServer, inject: [OPEN_DATABASE], useFactory: ({ server }: OpenDatabase) => server },
      ],
      exports: [STORAGE_OPTIONS, OPEN_DATABASE, DatabaseServer],
    };
    return {
      module: StorageModule,
      imports: [
        serverModule,
        TypeOrmModule.forRootAsync({
          imports: [serverModule],
          inject: [OPEN_DATABASE],
          // It is open: TypeORM's module hands it on, and tries nothing again.
          useFactory: ({ dataSource }: OpenDatabase) => ({ ...dataSource.options, toRetry: () => false, dataSource }),
          dataSourceFactory: async (options) => (options as unknown as OpenDatabase).dataSource,
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
    await closeDatabase(this);
    this.#logger.log('Storage is closed.');
  }
}
