import type { BusListener, HeardChanges } from '../../src/cache/coherence/bus/coherence-bus.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';

const WAIT_MS = 20_000;

/** Listens to a bus and remembers. */
export class BusEar implements BusListener {
  readonly heard: HeardChanges[] = [];
  gaps = 0;

  constructor(readonly wants: (chatId: string, concernsMembers: boolean) => boolean = () => true) {}

  onHeard(heard: HeardChanges): void {
    this.heard.push(heard);
  }

  onGap(): void {
    this.gaps++;
  }

  /** What was heard of a chat, in order. */
  of(chatId: string): HeardChanges[] {
    return this.heard.filter((each) => each.chatId === chatId);
  }
}

/**
 * Waits for a condition.
 *
 * @throws Error when it does not come to hold.
 */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  if (!(await waitUntil(condition, WAIT_MS))) throw new Error(`It did not come about: ${what}`);
}
