const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Longer ones would reach behind the first times that are stored. */
const MAX_MS = 1000 * 365 * UNITS_MS.d;

/**
 * Reads a duration such as `90d`, `12h`, `30m` or `2w`: a whole number from 1 on and its unit.
 *
 * @returns milliseconds, or `undefined` for a text that is not a duration, or one of more than a thousand years.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})([mhdw])$/.exec(text);
  if (match === null) return undefined;
  const durationMs = Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS];
  return durationMs >= 1 && durationMs <= MAX_MS ? durationMs : undefined;
}
