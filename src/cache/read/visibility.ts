import type { ChatEntry } from '../local/chat-entry.js';

/** Who looks at chats. */
export interface Viewer {
  /** A user who sees only chats that they are in; absent: a service, which sees all. */
  readonly viewer?: string | undefined;
}

/** Whether there is a chat, and somebody may see it. */
export function isVisible(entry: ChatEntry, { viewer }: Viewer): boolean {
  return entry.isPresent && (viewer === undefined || entry.members.has(viewer));
}
