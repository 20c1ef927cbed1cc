import { Logger } from '@nestjs/common';
import type { DatabaseAddress } from './data-source-options.js';
import { EmbeddedDatabaseInUseError } from './embedded/embedded-database-in-use-error.js';
import { DATABASE_NAME, EmbeddedPostgres } from './embedded/embedded-postgres.js';
import { connectionToRunning } from './embedded/running-database.js';
import type { StorageOptions } from './storage-options.js';

/**
 * The PostgreSQL server that the instance uses: one that somebody else runs, or an embedded one of its own.
 */
export class DatabaseServer {
  private constructor(
    /** How to connect. */
    readonly address: DatabaseAddress,
    private readonly embedded: EmbeddedPostgres | undefined,
  ) {}

  /**
   * Starts the embedded server if no URL is given. Resolves when it takes connections.
   *
   * @param signal - ends the start; its reason is thrown, and nothing is left running.
   */
  static async start(
    options: Pick<StorageOptions, 'databaseUrl' | 'dataDir'>,
    signal?: AbortSignal,
  ): Promise<DatabaseServer> {
    if (options.databaseUrl !== undefined) return new DatabaseServer({ url: options.databaseUrl }, undefined);
    const logger = new Logger('EmbeddedPostgres');
    const embedded = await EmbeddedPostgres.start({
      dataDir: options.dataDir,
      signal,
      onLog: ({ level, message }) => {
        if (level === 'info') logger.log(message);
        else logger[level](message);
      },
    });
    return new DatabaseServer(embedded.connection, embedded);
  }

  /** The same for a command beside a running instance: an embedded server that somebody has started is used. */
  static async startOrJoin(options: Pick<StorageOptions, 'databaseUrl' | 'dataDir'>): Promise<DatabaseServer> {
    try {
      return await DatabaseServer.start(options);
    } catch (error) {
      if (!(error instanceof EmbeddedDatabaseInUseError)) throw error;
      return new DatabaseServer(await connectionToRunning(options.dataDir, DATABASE_NAME), undefined);
    }
  }

  /** Whether the server is embedded and stops with the process. */
  get isEmbedded(): boolean {
    return this.embedded !== undefined;
  }

  /** Stops the embedded server; a server that somebody else runs is left alone. */
  async stop(): Promise<void> {
    await this.embedded?.stop();
  }
}
