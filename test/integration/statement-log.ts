import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { EmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.js';
import { makeTestFolder } from '../support/process.js';
import type { TestDatabase } from '../support/test-database.js';

const OBSERVER = 'observer';

/** A statement that the server has run, and for whom. */
export interface LoggedStatement {
  readonly application: string;
  /** The name it was prepared under, or the beginning of its text. */
  readonly statement: string;
}

/** A server of its own that writes every statement it runs to its log: what was asked is told by who was asked. */
export class LoggingServer {
  private constructor(
    readonly database: TestDatabase,
    private readonly logFile: string,
    private readonly observer: Client,
    private readonly stopAll: () => Promise<void>,
  ) {}

  static async start(): Promise<LoggingServer> {
    const folder = await makeTestFolder();
    const dataDir = join(folder.path, 'data');
    const settings = { fsync: 'off', log_statement: 'all', log_line_prefix: '#%a# ' };
    const server = await EmbeddedPostgres.start({ dataDir, settings });
    const { host, user, password, database } = server.connection;
    const url = `postgresql://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`;
    const observer = new Client({ connectionString: url, application_name: OBSERVER });
    await observer.connect();
    const stop = async (): Promise<void> => {
      await observer.end();
      await server.stop();
      await folder.remove();
    };
    const own: TestDatabase = {
      url,
      query: async <Row extends object>(sql: string, values: unknown[] = []) =>
        (await observer.query(sql, values)).rows as Row[],
      drop: stop,
    };
    return new LoggingServer(own, join(dataDir, 'postgres.log'), observer, stop);
  }

  /** The statements that others than the observer had run while `work` was done. */
  async record(work: () => Promise<void>): Promise<LoggedStatement[]> {
    const from = await this.#mark();
    await work();
    const to = await this.#mark();
    const log = (await readFile(this.logFile, 'utf8')).slice(from, to);
    const lines = log.matchAll(/^#(.*?)# LOG: {2}(?:execute ([^:]+)|statement): ?(.*)$/gm);
    return [...lines]
      .map(([, application, name, text]) => ({ application: application!, statement: name ?? text!.slice(0, 80) }))
      .filter(({ application }) => application !== OBSERVER);
  }

  stop(): Promise<void> {
    return this.stopAll();
  }

  /** Runs a statement that nobody else runs. @returns where its text stands in the log: what ran before stands before. */
  async #mark(): Promise<number> {
    const text = `mark ${randomUUID()}`;
    await this.observer.query(`SELECT '${text}'`);
    const at = (await readFile(this.logFile, 'utf8')).indexOf(text);
    if (at < 0) throw new Error('The server does not log what it runs.');
    return at;
  }
}
