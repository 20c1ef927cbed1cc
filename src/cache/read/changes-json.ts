import type { LoadedChanges } from '../../storage/message-repository.js';
import type { CacheResult } from '../cache-stats.js';
import { CachedJson, joinParts } from '../cached-json.js';
import type { ChatEntry } from '../local/chat-entry.js';
import { messageJson, participantJson } from '../local/wire-json.js';
import type { WireChanges } from '../wire-types.js';

/** The answer for a reader who has everything. */
export function unchangedJson(entry: ChatEntry, source: CacheResult): CachedJson<WireChanges> {
  return new CachedJson(entry.version, source, [
    `{"chatId":"${entry.chatId}","version":${entry.version},"more":false,"messages":[],"participants":[],"left":[]}`,
  ]);
}

/**
 * The answer for a reader who has missed something.
 *
 * @param isWhole - whether `entry` is of the version of the changes; else the reader is told that there is more.
 */
export function changesJson(
  entry: ChatEntry,
  changes: LoadedChanges,
  isWhole: boolean,
  source: CacheResult,
): CachedJson<WireChanges> {
  const isLast = isWhole && changes.throughVersion === changes.version;
  const present = changes.participants.filter(({ leftAtMs }) => leftAtMs === null);
  const left = changes.participants.filter(({ leftAtMs }) => leftAtMs !== null);
  return new CachedJson(changes.throughVersion, source, [
    `{"chatId":"${entry.chatId}","version":${changes.throughVersion},"more":${!isLast}`,
    isLast ? `,"chat":${entry.json}` : '',
    `,"messages":[`,
    ...joinParts(changes.messages.map(messageJson)),
    `],"participants":[`,
    ...joinParts(present.map(participantJson)),
    `],"left":${JSON.stringify(left.map(({ userId }) => userId))}}`,
  ]);
}
