import { Injectable, Logger } from '@nestjs/common';
import type { CacheMode } from '../cache-options.js';
import { CacheState } from '../cache-state.js';
import { Warmer } from './warmer.js';

/** Changes what the cache does with reads, while it runs. */
@Injectable()
export class ModeSwitch {
  readonly #logger = new Logger('CacheMode');

  constructor(
    private readonly state: CacheState,
    private readonly warmer: Warmer,
  ) {}

  /** Turns the cache on, off or into the shadow. Off gives its memory back at once; from off, warming begins again behind readers. */
  set(mode: CacheMode): void {
    const before = this.state.mode;
    if (mode === before) return;
    this.state.setMode(mode);
    this.#logger.log(`The cache is now ${mode}, was ${before}.`);
    if (mode === 'off') this.warmer.stop();
    else if (before === 'off') this.warmer.start();
  }
}
