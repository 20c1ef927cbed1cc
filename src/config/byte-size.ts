const UNITS = { '': 1, b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, kb: 1e3, mb: 1e6, gb: 1e9 } as const;

/**
 * Reads a size such as `256MiB`, `1.5 GiB` or `1000000`.
 *
 * @returns whole bytes, or `undefined` for a text that is not a size.
 */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const unit = match[2]!.toLowerCase();
  return Object.hasOwn(UNITS, unit) ? Math.floor(Number(match[1]) * UNITS[unit as keyof typeof UNITS]) : undefined;
}
