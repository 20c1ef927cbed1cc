import type {
  WireChanges,
  WireChat,
  WireInbox,
  WireMessage,
  WirePage,
  WireParticipant,
  WireParticipants,
} from '../../src/cache/wire-types.js';
import { jsonOf, type HttpAnswer } from '../faults/http-line.js';
import type { Facts, HistoryRead, HistorySend, HistoryWrite } from '../history/history.js';

/** Kinds of reads. */
export const READS = ['chat', 'page', 'message', 'participants', 'changes', 'latest', 'inbox'] as const;

/** A kind of read. */
export type ReadKind = (typeof READS)[number];

/** Who asked whom, and when. */
export type Asking = Pick<HistoryRead, 'client' | 'instance' | 'invokedMs' | 'minVersion'>;

/** Writes down what clients are told, part by part. */
export class HistoryRecorder {
  readonly reads: HistoryRead[] = [];
  readonly writes: HistoryWrite[] = [];
  readonly sends: HistorySend[] = [];
  #answeredReads = 0;
  /** The same message is told a thousand times, and kept once. */
  readonly #values = new Map<string, string>();

  /** Reads whose answers are noted: each once, however many chats it tells of. */
  get answeredReads(): number {
    return this.#answeredReads;
  }

  /**
   * Notes an answer to a read, chat by chat.
   *
   * @param subject - the user whose inbox it is, else the chat.
   * @returns the highest version in it.
   */
  read(kind: ReadKind, subject: string, answer: HttpAnswer, asking: Asking): number {
    const returnedMs = performance.now();
    const isStale = answer.headers['cache-status']?.includes('detail=stale') === true;
    const told = this.#chatsIn(kind, subject, answer);
    for (const { chatId, version, facts } of told) {
      this.reads.push({ kind, ...asking, chatId, returnedMs, version, facts, isStale });
    }
    if (told.length > 0) this.#answeredReads++;
    return Math.max(0, ...told.map(({ version }) => version));
  }

  /** Notes a write that was acknowledged. */
  write(write: Omit<HistoryWrite, 'facts' | 'returnedMs'>, facts: readonly (readonly [string, unknown])[] = []): void {
    this.writes.push({ ...write, returnedMs: performance.now(), facts: this.#facts(facts) });
  }

  #chatsIn(kind: ReadKind, subject: string, answer: HttpAnswer): { chatId: string; version: number; facts: Facts }[] {
    const version = Number(answer.headers['chat-version']);
    switch (kind) {
      case 'chat':
        return [{ chatId: subject, version, facts: this.#facts([['chat', jsonOf<WireChat>(answer)]]) }];
      case 'page':
        return [{ chatId: subject, version, facts: this.#facts(partsOfPage(jsonOf<WirePage>(answer))) }];
      case 'message':
        return [{ chatId: subject, version, facts: this.#facts(partsOfMessages([jsonOf<WireMessage>(answer)])) }];
      case 'participants': {
        const { items } = jsonOf<WireParticipants>(answer);
        const names = items.map(({ userId }) => userId);
        return [{ chatId: subject, version, facts: this.#facts([...partsOfPeople(items), ['participants', names]]) }];
      }
      case 'changes': {
        const changes = jsonOf<WireChanges>(answer);
        // A part of the changes is of a version in between, which the messages in it may have passed.
        if (changes.more) return [];
        const chat = changes.chat === undefined ? [] : [['chat', changes.chat] as const];
        const facts = this.#facts([
          ...partsOfMessages(changes.messages),
          ...partsOfPeople(changes.participants),
          ...chat,
        ]);
        return [{ chatId: changes.chatId, version: changes.version, facts }];
      }
      case 'latest':
        return jsonOf<{ items: WirePage[] }>(answer).items.map((page) => {
          return { chatId: page.chatId, version: page.version, facts: this.#facts(partsOfPage(page)) };
        });
      case 'inbox':
        return jsonOf<WireInbox>(answer).items.map(({ chat, ...own }) => {
          const facts = this.#facts([
            ['chat', chat],
            [`inbox of ${subject}`, own],
          ]);
          return { chatId: chat.id, version: chat.version, facts };
        });
    }
  }

  #facts(parts: readonly (readonly [string, unknown])[]): Facts {
    return new Map(
      parts.map(([name, part]) => {
        const value = JSON.stringify(part);
        const known = this.#values.get(value);
        if (known === undefined) this.#values.set(value, value);
        return [name, known ?? value];
      }),
    );
  }
}

function partsOfPage({ items, hasNewer }: WirePage): (readonly [string, unknown])[] {
  const last = items.at(-1);
  // The end of the line is the same for everybody who is told of this version.
  return [...partsOfMessages(items), ...(hasNewer || last === undefined ? [] : [['last seq', last.seq] as const])];
}

function partsOfMessages(messages: readonly WireMessage[]): (readonly [string, unknown])[] {
  return messages.map((message) => [`message ${message.seq}`, message] as const);
}

function partsOfPeople(people: readonly WireParticipant[]): (readonly [string, unknown])[] {
  return people.map((person) => [`participant ${person.userId}`, person] as const);
}
