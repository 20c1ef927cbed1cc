/**
 * How long a reader waits for a peer's message before asking the database. A message takes a few milliseconds; longer would make a
 * reader wait for one that was lost.
 */
const WAIT_MS = 20;

interface Waiting {
  readonly version: number;
  readonly resolve: () => void;
}

/** Readers who know that a version exists and wait shortly for it to be heard of. */
export class VersionWaits {
  readonly #waiting = new Map<string, Set<Waiting>>();

  /** Resolves when a chat has come to a version, or after a while. */
  async until(chatId: string, version: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const waiting: Waiting = {
        version,
        resolve: () => {
          clearTimeout(timer);
          this.#remove(chatId, waiting);
          resolve();
        },
      };
      const timer = setTimeout(waiting.resolve, WAIT_MS);
      const ofChat = this.#waiting.get(chatId);
      if (ofChat === undefined) this.#waiting.set(chatId, new Set([waiting]));
      else ofChat.add(waiting);
    });
  }

  /** Tells that what is held of a chat has come to a version. O(1) where nobody waits. */
  note(chatId: string, version: number): void {
    const ofChat = this.#waiting.get(chatId);
    if (ofChat === undefined) return;
    for (const waiting of [...ofChat]) if (waiting.version <= version) waiting.resolve();
  }

  #remove(chatId: string, waiting: Waiting): void {
    const ofChat = this.#waiting.get(chatId);
    ofChat?.delete(waiting);
    if (ofChat?.size === 0) this.#waiting.delete(chatId);
  }
}
