import { createHash, randomBytes } from 'node:crypto';
import { InvalidArgumentError } from 'commander';

/** Nobody guesses so many. */
const KEY_BYTES = 32;

/** Makes a service key and prints it, once, with its entry of `AUTH_KEYS`. Nothing is stored. */
export function keyCreateCommand(name: string): void {
  const key = `sbk_${randomBytes(KEY_BYTES).toString('base64url')}`;
  const digest = createHash('sha256').update(key).digest('hex');
  process.stdout.write(
    `Key, for the service that calls (shown this once):\n  ${key}\n` +
      `Entry of AUTH_KEYS, for Scrollback (several with commas between, to rotate):\n  ${name}:${digest}\n`,
  );
}

/** Reads the name of a key. @throws InvalidArgumentError when it cannot be one. */
export function keyName(text: string): string {
  if (/^[\w.-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError('A name has 1 to 64 letters, digits, dots, dashes and underscores.');
}
