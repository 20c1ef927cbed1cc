import type { LoadedChanges } from '../../storage/message-repository.js';
import type { CacheResult } from '../cache-stats.js';
import { CachedJson, joinParts } from '../cached-json.js';
import type { ChatEntry } from '../local/chat-entry.js';
import { chatJson, chatJsonPrefix, messageJson, participantJson } from '../local/wire-json.js';
import type { WireChanges } from '../wire-types.js';

/** The answer for a reader who has everything. */
export function unchangedJson(entry: ChatEntry, source: CacheResult): CachedJson<WireChanges> {
  return new CachedJson(entry.version, source, [
    `{"chatId":"${entry.chatId}","version":${entry.version},"more":false,"messages":[],"participants":[],"left":[]}`,
  ]);
}

/** The answer for a reader who has missed something. The last page tells the chat itself. */
export function changesJson(changes: LoadedChanges, source: CacheResult): CachedJson<WireChanges> {
  const { chat, version, throughVersion, lastSeq, participantCount } = changes;
  const isLast = throughVersion === version;
  const present = changes.participants.filter(({ leftAtMs }) => leftAtMs === null);
  const left = changes.participants.filter(({ leftAtMs }) => leftAtMs !== null);
  const parts = [
    `{"chatId":"${chat.id}","version":${throughVersion},"more":${!isLast}`,
    isLast ? `,"chat":${chatJson(chatJsonPrefix(chat), lastSeq, version, participantCount)}` : '',
    `,"messages":[`,
    ...joinParts(changes.messages.map(messageJson)),
    `],"participants":[`,
    ...joinParts(present.map(participantJson)),
    `],"left":${JSON.stringify(left.map(({ userId }) => userId))}}`,
  ];
  // The version in the body is the one that the page brings its reader to; the answer was read at the chat's own.
  return new CachedJson(version, source, parts);
}
