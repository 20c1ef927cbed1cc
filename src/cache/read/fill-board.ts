import type { Change } from '../../storage/write/change.js';

/**
 * A load on its way. It is on the board before its query is sent, and so hears of every change of its chat that is
 * announced while the query runs, cached or not.
 */
export interface Fill {
  /** The highest version heard of. What was read at a lower one may not be installed. */
  minVersion: number;
  /** Changes heard of, ascending, each once: they bring what was read up to date without reading again. */
  readonly journal: Change[];
  /** Whether the database has become another one since: what is read is of a history that is over. */
  isVoid: boolean;
}

/** The fills in flight, by chat. */
export class FillBoard {
  readonly #fills = new Map<string, Set<Fill>>();

  /** Puts a fill on the board. To be called before its query is sent. */
  open(chatId: string): Fill {
    const fill: Fill = { minVersion: 0, journal: [], isVoid: false };
    const fills = this.#fills.get(chatId);
    if (fills === undefined) this.#fills.set(chatId, new Set([fill]));
    else fills.add(fill);
    return fill;
  }

  /** Takes a fill off the board, whatever became of it. */
  close(chatId: string, fill: Fill): void {
    const fills = this.#fills.get(chatId);
    fills?.delete(fill);
    if (fills?.size === 0) this.#fills.delete(chatId);
  }

  /** Whether a chat has fills on their way. */
  has(chatId: string): boolean {
    return this.#fills.has(chatId);
  }

  /** Tells the fills of a chat that a version exists. */
  noteVersion(chatId: string, version: number): void {
    for (const fill of this.#fills.get(chatId) ?? []) fill.minVersion = Math.max(fill.minVersion, version);
  }

  /** Tells the fills of a chat of a change. */
  noteChange(chatId: string, change: Change): void {
    for (const fill of this.#fills.get(chatId) ?? []) {
      insert(fill.journal, change);
      fill.minVersion = Math.max(fill.minVersion, change.version);
    }
  }

  /** Tells all fills that what they read is of a history that is over. */
  voidAll(): void {
    for (const fills of this.#fills.values()) for (const fill of fills) fill.isVoid = true;
  }
}

/**
 * The changes of a journal that lead from one version to another.
 *
 * @returns `undefined` when one of them is missing.
 */
export function changesBetween(journal: readonly Change[], from: number, to: number): Change[] | undefined {
  const between = journal.filter((change) => change.version > from && change.version <= to);
  return between.length === to - from ? between : undefined;
}

/** Puts a change where its version belongs, which is nearly always the end. A change that is there already is not put again. */
function insert(journal: Change[], change: Change): void {
  let at = journal.length;
  while (at > 0 && journal[at - 1]!.version > change.version) at--;
  if (at === 0 || journal[at - 1]!.version !== change.version) journal.splice(at, 0, change);
}
