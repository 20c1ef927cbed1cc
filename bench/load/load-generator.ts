import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { spawnNode } from '../cores.js';
import type { LoadOrder, LoadReport } from './load-process.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs slices of load in a process of its own, beside what is measured. A signal ends the load and with it the benchmark,
 * which then puts away what it has started.
 */
export class LoadGenerator {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  constructor() {
    const program = fileURLToPath(new URL('load-process.js', import.meta.url));
    this.#child = spawnNode('others', [program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#ended = once(this.#child, 'exit').then(() => Promise.reject(new Error('The load was stopped.')));
    this.#ended.catch(() => undefined);
    for (const signal of SIGNALS) process.on(signal, this.stop);
  }

  /** @throws Error when an answer was not what it should be, or the load was stopped. */
  async run(order: LoadOrder): Promise<LoadReport> {
    if (this.#child.connected) this.#child.send(order);
    const message = once(this.#child, 'message') as Promise<[LoadReport | { readonly error: string }]>;
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
