import { textFault } from '../common/storable-json.js';

/** Whether something can be the id of a user: 1 to 128 characters that can be stored, no control characters. */
export function isUserId(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > 256) return false;
  const length = [...value].length;
  return length >= 1 && length <= 128 && textFault(value) === undefined && !/\p{Cc}/u.test(value);
}
