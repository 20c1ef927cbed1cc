import { isUtf8 } from 'node:buffer';
import { ScrollbackError } from '../common/scrollback-error.js';
import { requireStorable } from '../common/storable-json.js';

/**
 * Reads a JSON body and refuses what could not be given back as it came: broken UTF-8, lone surrogates, NUL (PostgreSQL
 * cannot store it), integers beyond 2^53, keys that reach for prototypes.
 *
 * @returns `undefined` for an empty body.
 * @throws ScrollbackError `invalid_json` or `invalid_input`, naming the field.
 */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  if (!isUtf8(body)) throw new ScrollbackError('invalid_json', 'The body is not UTF-8.');
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new ScrollbackError('invalid_json', 'The body is not JSON.');
  }
  requireStorable(value);
  return value;
}
