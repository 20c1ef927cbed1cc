import { fileURLToPath } from 'node:url';
import { familyCpuTimeUs } from '../cpu-time.js';
import { OrderProcess } from '../load/order-process.js';
import type { WriterOrder, WriterReport } from './writer-process.js';

/** Where the writers write to. */
export interface WriterTarget {
  readonly url: string;
  /** Process of the server. */
  readonly pid: number;
  /** Tells how many messages are there, of which every acknowledged one must be. */
  countMessages(): Promise<number>;
}

/** What a slice came to, and what it took. */
export interface InProcessReport extends WriterReport {
  /** CPU time of the server, in microseconds, the warm-up included; `undefined` where the system does not tell. */
  readonly serverCpuUs: number | undefined;
}

/** An application that writes through Scrollback's repositories, in a process of its own, on all cores. */
export class InProcessWriters {
  readonly #process: OrderProcess<WriterOrder, WriterReport>;

  constructor(private readonly target: WriterTarget) {
    const program = fileURLToPath(new URL('writer-process.js', import.meta.url));
    this.#process = new OrderProcess('anywhere', program, { DATABASE_URL: target.url, NODE_ENV: 'production' });
  }

  /** @throws Error when not every acknowledged message is in the database. */
  async run(order: WriterOrder): Promise<InProcessReport> {
    const { target } = this;
    const before = await target.countMessages();
    const cpuBefore = familyCpuTimeUs(target.pid);
    const report = await this.#process.run(order);
    const cpuAfter = familyCpuTimeUs(target.pid);
    const written = (await target.countMessages()) - before;
    if (written !== report.acknowledged) {
      throw new Error(`${report.acknowledged} messages were acknowledged, and ${written} are there.`);
    }
    return {
      ...report,
      serverCpuUs: cpuBefore === undefined || cpuAfter === undefined ? undefined : cpuAfter - cpuBefore,
    };
  }

  /** Ends the process. */
  readonly stop = (): void => this.#process.stop();
}
