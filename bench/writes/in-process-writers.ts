import { fileURLToPath } from 'node:url';
import type { BenchDatabase } from '../bench-database.js';
import { OrderProcess } from '../load/order-process.js';
import type { WriterOrder, WriterReport } from './writer-process.js';

/** An application that writes through Scrollback's repositories, in a process of its own, on all cores. */
export class InProcessWriters {
  readonly #process: OrderProcess<WriterOrder, WriterReport>;

  constructor(private readonly database: Pick<BenchDatabase, 'url' | 'query'>) {
    const program = fileURLToPath(new URL('writer-process.js', import.meta.url));
    this.#process = new OrderProcess('anywhere', program, { DATABASE_URL: database.url, NODE_ENV: 'production' });
  }

  /** @throws Error when not every acknowledged message is in the database. */
  async run(order: WriterOrder): Promise<WriterReport> {
    const before = await this.#count();
    const report = await this.#process.run(order);
    const written = (await this.#count()) - before;
    if (written !== report.acknowledged) {
      throw new Error(`${report.acknowledged} messages were acknowledged, and ${written} are there.`);
    }
    return report;
  }

  /** Ends the process. */
  readonly stop = (): void => this.#process.stop();

  async #count(): Promise<number> {
    const [row] = await this.database.query<{ count: string }>('SELECT count(*) AS count FROM message');
    return Number(row!.count);
  }
}
