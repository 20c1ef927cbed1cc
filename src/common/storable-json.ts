import { invalidField } from './scrollback-error.js';

/** Arrays and objects inside one another. Deeper values are refused before anything walks them recursively. */
const MAX_DEPTH = 32;

/** Keys that have a meaning of their own in JavaScript objects: no input may use them. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Says what is wrong with a text that could not be stored and given back, `undefined` if nothing is. */
export function textFault(text: string): string | undefined {
  if (text.includes('\u0000')) return 'must not contain NUL (U+0000)';
  if (!text.isWellFormed()) return 'must not contain lone surrogates';
  return undefined;
}

/** The field of a body whose content is the caller's own, numbers included; all others are held to a schema that knows what they may be. */
const FREE_FIELD = /^metadata(?![^.[])/;

/**
 * Refuses a JSON value that could not be given back as it came: lone surrogates, NUL (PostgreSQL cannot store it),
 * numbers in metadata that would lose digits, keys that reach for prototypes, endless nesting.
 *
 * @param path - how the value is called in the error.
 * @throws ScrollbackError `invalid_input`, naming the field.
 */
export function requireStorable(value: unknown, path = '', depth = 0): void {
  if (typeof value === 'string') {
    const fault = textFault(value);
    if (fault !== undefined) throw invalidField(shorten(path), fault);
  } else if (typeof value === 'number') {
    const fault = FREE_FIELD.test(path) ? numberFault(value) : undefined;
    if (fault !== undefined) throw invalidField(shorten(path), fault);
  } else if (typeof value === 'object' && value !== null) {
    if (depth === MAX_DEPTH) throw invalidField(shorten(path), `is nested deeper than ${MAX_DEPTH} levels`);
    if (Array.isArray(value)) {
      value.forEach((element, index) => requireStorable(element, `${path}[${index}]`, depth + 1));
      return;
    }
    for (const [key, inner] of Object.entries(value)) {
      const fault = FORBIDDEN_KEYS.has(key) ? 'is not allowed as a key' : textFault(key);
      const innerPath = path === '' ? key : `${path}.${key}`;
      if (fault !== undefined) throw invalidField(shorten(innerPath), fault);
      requireStorable(inner, innerPath, depth + 1);
    }
  }
}

function numberFault(value: number): string | undefined {
  if (!Number.isFinite(value)) return 'is beyond 1.8e308, the largest number there is; send it as text';
  const losesDigits = Number.isInteger(value) && !Number.isSafeInteger(value);
  return losesDigits ? 'is beyond 2^53 and would lose digits; send it as text' : undefined;
}

/** A name of the caller's, as an answer or a log may show it: what cannot be seen, or not be written, is escaped. */
export function showKey(key: string): string {
  return key.replace(
    /[\p{Cc}\p{Cs}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function shorten(path: string): string {
  if (path === '') return 'body';
  const shown = showKey(path.slice(0, 101));
  return path.length <= 100 && shown.length <= 100 ? shown : `${shown.slice(0, 100)}…`;
}
