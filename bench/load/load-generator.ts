import { fileURLToPath } from 'node:url';
import type { LoadOrder, LoadReport } from './load-process.js';
import { OrderProcess } from './order-process.js';

/** Runs slices of load over HTTP, beside what is measured. */
export class LoadGenerator extends OrderProcess<LoadOrder, LoadReport> {
  constructor() {
    super('others', fileURLToPath(new URL('load-process.js', import.meta.url)));
  }
}
