import type { Findings } from '../faults/findings.js';
import { describe, groupBy, groupByChat } from './answers.js';
import { checkContents } from './check-contents.js';
import type { History, HistoryAnswer } from './history.js';
import { VersionTimeline } from './version-timeline.js';

/**
 * Decides whether a history keeps what is promised, chat by chat: the order of versions here, what the versions held and what
 * is left at the end in `check-contents.ts`.
 *
 * The rules, for a read of version v that was invoked at i and has returned at r:
 * - *one instance never goes back*: v is at least every version that the same instance had told before i, in reads and in
 *   acknowledgements. Restarts make no difference: what was told is in the database.
 * - *staleness bound*: v is at least every version that anybody had told before i minus the bound, unless the answer says that it is stale.
 * - *tokens*: v is at least the version asked for, stale or not.
 * - *nothing from the future*: v is below the version of every write that was begun after r.
 * - *versions are given out once*: no two writes have made the same version.
 *
 * @remarks Versions of one chat have one order, so the rules need no search for a linearization. O(n log n) for n answers.
 */
export function checkHistory(history: History, findings: Findings): void {
  const answers = groupByChat([...history.reads, ...history.writes]);
  const reads = groupByChat(history.reads);
  const writes = groupByChat(history.writes);
  for (const [chatId, told] of answers) {
    const everywhere = new VersionTimeline(told);
    const instances = new Map(
      [...groupBy(told, ({ instance }) => instance)].map(([instance, own]) => [instance, new VersionTimeline(own)]),
    );
    for (const read of reads.get(chatId) ?? []) {
      const { version, invokedMs, minVersion } = read;
      const here = instances.get(read.instance)!.highestBefore(invokedMs);
      findings.expect(version >= (here?.version ?? 0), 'one instance never goes back', () => compare(read, here!));
      if (!read.isStale) {
        const known = everywhere.highestBefore(invokedMs - history.boundMs);
        findings.expect(version >= (known?.version ?? 0), 'staleness bound', () => compare(read, known!));
      }
      if (minVersion !== undefined) {
        findings.expect(version >= minVersion, 'tokens', () => `${describe(read)}, asked for ${minVersion} at least`);
      }
    }
    const makers = new Map<number, HistoryAnswer>();
    for (const write of writes.get(chatId) ?? []) {
      if (!write.raises) continue;
      const seen = everywhere.highestBefore(write.invokedMs);
      const isNew = write.version > (seen?.version ?? 0);
      findings.expect(isNew, 'nothing from the future', () => compare(write, seen!));
      const other = makers.get(write.version);
      findings.expect(other === undefined, 'versions are given out once', () => compare(write, other!));
      makers.set(write.version, write);
    }
  }
  checkContents(history, findings);
}

function compare(answer: HistoryAnswer, other: HistoryAnswer): string {
  return `${describe(answer)}; but before it ${describe(other)}`;
}
