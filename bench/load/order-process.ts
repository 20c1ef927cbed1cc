import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { spawnNode, type Place } from '../cores.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * A Node program in a process of its own that does one order after the other and reports on each. A signal ends it and
 * with it the benchmark, which then puts away what it has started.
 */
export class OrderProcess<Order extends object, Report extends object> {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor(place: Place, program: string, env: Readonly<Record<string, string>> = {}) {
    this.#child = spawnNode(place, [program], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#ended = once(this.#child, 'exit').then(() => Promise.reject(new Error('The load was stopped.')));
    this.#ended.catch(() => undefined);
    for (const signal of SIGNALS) process.on(signal, this.stop);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** @throws Error when the order could not be done, or the process was stopped. */
  async run(order: Order): Promise<Report> {
    if (this.#child.connected) this.#child.send(order);
    const message = once(this.#child, 'message') as Promise<[Report | { readonly error: string }]>;
    const [answer] = await Promise.race([message, this.#ended]);
    if ('error' in answer) throw new Error(`The load has failed: ${answer.error}`);
    return answer;
  }

  /** Ends the process. */
  readonly stop = (): void => {
    for (const signal of SIGNALS) process.off(signal, this.stop);
    this.#child.kill();
  };
}

/** The other end, in the program: does the orders that come. */
export function serveOrders<Order, Report extends object>(work: (order: Order) => Promise<Report>): void {
  process.on('message', (order: Order) => {
    void work(order).then(
      (report) => process.send!(report),
      (error: Error) => process.send!({ error: error.message }),
    );
  });
}
