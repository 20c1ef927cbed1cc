import type { DataSourceOptions } from 'typeorm';
import { storageOptions, type DatabaseAddress } from '../src/storage/data-source-options.js';

/**
 * Options of connections that fill tables with rows as the application writes them, seqs, versions and heads included: the triggers for
 * edits by hand have nothing to add to them.
 */
export function fillOptions(address: DatabaseAddress): DataSourceOptions {
  const options = storageOptions(address);
  return { ...options, extra: { ...options.extra, options: '-c scrollback.writer=application' } } as DataSourceOptions;
}
