import { setTimeout as sleep } from 'node:timers/promises';
import type { WireInbox, WirePage } from '../../src/cache/wire-types.js';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import type { Findings } from './findings.js';
import { jsonOf } from './http-line.js';
import type { InsistentClient } from './insistent-client.js';
import type { Ledger } from './ledger.js';
import { anyFirstChat } from './workload.js';

/** Between two reads. */
const PAUSE_MS = 10;

/** Keeps the cache at work, and looks at whatever it answers: nothing that has been acknowledged may be missing. */
export class Reader {
  readonly #random: SeededRandom;

  constructor(
    seed: number,
    private readonly client: InsistentClient,
    private readonly ledger: Ledger,
    private readonly findings: Findings,
  ) {
    this.#random = new SeededRandom(seed);
  }

  /** Reads until told to stop. */
  async run(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      if (this.#random.next() < 0.2) await this.#readInbox();
      else await this.#readPage();
      await sleep(PAUSE_MS);
    }
  }

  async #readPage(): Promise<void> {
    const chat = this.ledger.chats[anyFirstChat(this.#random)]!;
    const { chatId, version, acknowledged } = chat;
    const isLatest = this.#random.next() < 0.6;
    const end = Math.max(2, (acknowledged.at(-1)?.seq ?? 0) + 1);
    const query = isLatest ? '' : `&before=${2 + Math.floor((end - 2) * this.#random.next())}`;
    const path = `/v1/chats/${chatId}/messages?limit=${1 + this.#random.integer(100)}${query}`;
    const answer = await this.client.insist({ kind: 'page', method: 'GET', path });
    if (answer === undefined) return;
    const page = jsonOf<WirePage>(answer);
    const isFresh = page.version >= version;
    this.findings.expect(isFresh, 'reads after writes', () => `${path}: version ${page.version} after ${version}`);
    const isUnbroken = page.items.every(({ seq }, at) => seq === page.items[0]!.seq + at);
    this.findings.expect(isUnbroken, 'pages', () => `${path} has holes: ${page.items.map(({ seq }) => seq).join(' ')}`);
  }

  async #readInbox(): Promise<void> {
    const userId = this.#random.pick(this.ledger.userIds);
    const versions = new Map(this.ledger.chats.map(({ chatId, version }) => [chatId, version]));
    const path = `/v1/users/${encodeURIComponent(userId)}/chats?limit=50`;
    const answer = await this.client.insist({ kind: 'inbox', method: 'GET', path });
    if (answer === undefined) return;
    for (const { chat } of jsonOf<WireInbox>(answer).items) {
      const version = versions.get(chat.id) ?? 0;
      const isFresh = chat.version >= version;
      const what = (): string => `${path}: chat ${chat.id} of version ${chat.version} after ${version}`;
      this.findings.expect(isFresh, 'reads after writes', what);
    }
  }
}
