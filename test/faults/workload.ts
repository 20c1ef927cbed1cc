import { createHash } from 'node:crypto';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { WORDS_BY_SCRIPT } from '../../src/transfer/words.js';
import type { MessageContent } from './ledger.js';

/** Who writes. Two clients may be of one user, as a person's two devices are. */
export interface WriterIdentity {
  readonly client: number;
  readonly userId: string;
  /** 1 or 2. */
  readonly device: number;
  /** Emoji that nobody else of the user's clients uses. */
  readonly emoji: readonly string[];
}

/** Clients that write at once. */
const WRITERS = 8;

const USERS = ['ann', 'ben', 'Ünal 🍕', 'dan', 'eve', 'fay'];
const EMOJI = [...'👍🎉😂🙏🚀🤔✅🔥😅🌊🍀🎈🐢🍋🧭🪁'];

/**
 * Chats that there are from the beginning, with the share of the writing that each gets: the first has half of it, and all
 * users in it.
 */
const SHARES = [32, 12, 6, 3, 2, 2, 1, 1, 1, 1, 1, 1];

/** Texts that encoders and indexes trip over. */
const ODD_TEXTS = [
  '\u2028\u2029',
  '"\\"',
  '\u0001\u001f',
  'e\u0301',
  '👩‍👩‍👧‍👦',
  '\ufeff',
  '</script>',
  '﷽',
  '\ud7ff\ue000',
  ' ',
];

/** The writers. */
export function writerIdentities(): WriterIdentity[] {
  return Array.from({ length: WRITERS }, (_unused, client) => ({
    client,
    userId: USERS[client % USERS.length]!,
    device: 1 + Math.floor(client / USERS.length),
    emoji: EMOJI.slice(2 * client, 2 * client + 2),
  }));
}

/** Chats to create before anything else: the hot ones with everybody in them, the others with two users. */
export function firstChats(seed: number): { readonly chatId: string; readonly members: readonly string[] }[] {
  return SHARES.map((_share, chat) => ({
    chatId: uuidOf(`${seed} ${chat}`),
    members:
      chat < 3 ? USERS : Array.from({ length: 2 }, (_unused, member) => USERS[(chat + member * 2) % USERS.length]!),
  }));
}

/** A UUID that a name decides. */
export function uuidOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The number of one of the first chats, the hot ones more often. */
export function anyFirstChat(random: SeededRandom): number {
  let left = random.integer(SHARES.reduce((sum, share) => sum + share, 0));
  return SHARES.findIndex((share) => (left -= share) < 0);
}

/** A text that no other message has, by its `name` at the end. */
export function anyText(random: SeededRandom, name: string): string {
  const words = random.pick(WORDS_BY_SCRIPT);
  const parts = Array.from({ length: 1 + random.integer(random.next() < 0.02 ? 600 : 16) }, () => random.pick(words));
  if (random.next() < 0.2) parts.push(random.pick(ODD_TEXTS));
  return `${parts.join(' ')} [${name}]`;
}

/** What a message may carry; most carry none. */
export function anyContent(random: SeededRandom, name: string): MessageContent {
  const text = anyText(random, name);
  if (random.next() < 0.8) return { text, metadata: undefined };
  return { text, metadata: { z: random.integer(1000), ' ': [null, 1.5, { ü: '"\\' }], a: name } };
}
