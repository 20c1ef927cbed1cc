import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import type { Findings } from './findings.js';
import { jsonOf, type HttpAnswer } from './http-line.js';
import type { InsistentClient, Insistence } from './insistent-client.js';
import type { Ledger, LedgerChat, SentMessage } from './ledger.js';
import { MessageSender } from './message-sender.js';
import { anyFirstChat, anyText, uuidOf, type WriterIdentity } from './workload.js';

/** Longest pause between two operations: writers are to leave some processor time to the rest. */
const LONGEST_PAUSE_MS = 25;

/** One client of a user: does one thing after the other, and notes what it was told. */
export class Writer {
  readonly #random: SeededRandom;
  /** Of its own, so that what is done does not depend on how long things take. */
  readonly #pauses: SeededRandom;
  readonly #sender: MessageSender;
  #created = 0;
  #titles = 0;

  constructor(
    private readonly identity: WriterIdentity,
    private readonly seed: number,
    private readonly client: InsistentClient,
    private readonly ledger: Ledger,
    private readonly findings: Findings,
  ) {
    this.#random = new SeededRandom(seed * 1000 + identity.client);
    this.#pauses = new SeededRandom(~this.seed);
    this.#sender = new MessageSender(identity, this.#random, client, ledger, findings);
  }

  /** Does operations until told to stop, and ends the one under way. */
  async run(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      await this.#doSomething();
      await sleep(this.#pauses.integer(LONGEST_PAUSE_MS));
    }
  }

  async #doSomething(): Promise<void> {
    const chat = this.ledger.chats[anyFirstChat(this.#random)]!;
    const kind = this.#random.next();
    if (kind < 0.6) return this.#sender.send(chat);
    if (kind < 0.7) return this.#edit();
    if (kind < 0.75) return this.#delete();
    if (kind < 0.85) return this.#react(chat);
    if (kind < 0.94) return this.#markRead(chat);
    if (kind < 0.98) return this.#changeMembers(chat);
    if (kind < 0.99) return this.#rename(chat);
    return this.#create();
  }

  /** One of the latest that this client has sent, the last half of the time. */
  #ownMessage(): SentMessage | undefined {
    const { editable } = this.#sender;
    const back = this.#random.next() < 0.5 ? 0 : this.#random.integer(100);
    return editable[Math.max(0, editable.length - 1 - back)];
  }

  async #edit(): Promise<void> {
    const message = this.#ownMessage();
    if (message === undefined) return;
    const { chatId, seq, content } = message;
    const text = anyText(this.#random, `edit of ${message.clientId}`);
    const path = `/v1/chats/${chatId}/messages/${seq}`;
    const isGone = content === 'deleted';
    const answer = await this.#insist({
      kind: isGone ? 'edit of a deleted message' : 'edit',
      method: 'PATCH',
      path,
      body: { text },
      refusals: isGone ? ['message_deleted'] : [],
      tries: message.tries,
    });
    if (answer === undefined) return;
    if (isGone) {
      const isRefused = answer.status >= 400;
      this.findings.expect(isRefused, 'refusals', () => `${path} is deleted and was edited`);
      return;
    }
    message.content = { text, metadata: content.metadata };
    this.#seen(this.ledger.chat(chatId), answer);
  }

  async #delete(): Promise<void> {
    const message = this.#ownMessage();
    if (message === undefined) return;
    const path = `/v1/chats/${message.chatId}/messages/${message.seq}`;
    const answer = await this.#insist({ kind: 'delete', method: 'DELETE', path, tries: message.tries });
    if (answer === undefined) return;
    message.content = 'deleted';
    this.#seen(this.ledger.chat(message.chatId), answer);
  }

  async #react(chat: LedgerChat): Promise<void> {
    const target = this.#anyAcknowledged(chat);
    const emoji = this.#random.pick(this.identity.emoji);
    const isOn = this.#random.next() < 0.7;
    if (target === undefined) return;
    const path = `/v1/chats/${chat.chatId}/messages/${target.seq}/reactions/${encodeURIComponent(emoji)}`;
    const method = isOn ? 'PUT' : 'DELETE';
    const answer = await this.#insist({ kind: 'reaction', method, path, refusals: ['message_deleted'] });
    if (answer === undefined || answer.status >= 400) return;
    chat.reactions.set(`${target.seq} ${this.identity.userId} ${emoji}`, isOn);
    this.#seen(chat, answer);
  }

  async #markRead(chat: LedgerChat): Promise<void> {
    const { userId } = this.identity;
    const seq = this.#anyAcknowledged(chat)?.seq ?? 0;
    if (!chat.members.has(userId)) return;
    const path = `/v1/chats/${chat.chatId}/read`;
    const answer = await this.#insist({ kind: 'read marker', method: 'PUT', path, body: { seq } });
    if (answer === undefined) return;
    const before = chat.markers.get(userId) ?? 0;
    const { lastReadSeq } = jsonOf<{ lastReadSeq: number }>(answer);
    const isForward = lastReadSeq >= Math.max(seq, before);
    this.findings.expect(isForward, 'markers', () => `${path} of ${userId}: ${lastReadSeq} after ${before}, ${seq}`);
    chat.markers.set(userId, Math.max(chat.markers.get(userId) ?? 0, seq));
    this.#seen(chat, answer);
  }

  async #changeMembers(chat: LedgerChat): Promise<void> {
    const guest = `guest ${this.identity.client}.${this.#random.integer(3)}`;
    const isIn = this.#random.next() < 0.6;
    const role = this.#random.pick(['member', 'admin', 'readonly']);
    const before = chat.members.get(guest);
    if (!isIn && before === undefined) return;
    const path = `/v1/chats/${chat.chatId}/participants/${encodeURIComponent(guest)}`;
    const answer = isIn
      ? await this.#insist({ kind: 'join', method: 'PUT', path, body: { role } })
      : await this.#insist({ kind: 'leave', method: 'DELETE', path });
    if (answer === undefined) return;
    chat.members.set(guest, isIn ? role : 'left');
    this.#seen(chat, answer);
  }

  /** Only the owner's first device changes a title. */
  async #rename(chat: LedgerChat): Promise<void> {
    if (chat.owner !== this.identity.userId || this.identity.device > 1) return;
    const title = `title ${++this.#titles} of ${this.identity.client} 🍕`;
    const answer = await this.#insist({
      kind: 'title',
      method: 'PATCH',
      path: `/v1/chats/${chat.chatId}`,
      body: { title },
    });
    if (answer === undefined) return;
    chat.title = title;
    this.#seen(chat, answer);
  }

  async #create(): Promise<void> {
    const { client, userId } = this.identity;
    const id = uuidOf(`${this.seed} of client ${client} ${++this.#created}`);
    const title = `chat ${this.#created} of ${client}`;
    const participants = [{ userId: `guest ${client}.0` }];
    const answer = await this.#insist({
      kind: 'chat',
      method: 'POST',
      path: '/v1/chats',
      body: { id, title, participants },
    });
    if (answer === undefined) return;
    const chat = this.ledger.addChat(id, title, [userId, `guest ${client}.0`]);
    await this.#sender.send(chat);
  }

  #anyAcknowledged({ acknowledged }: LedgerChat): SentMessage | undefined {
    const back = Math.floor(Math.min(acknowledged.length, 60) * this.#random.next() ** 2);
    return acknowledged[acknowledged.length - 1 - back];
  }

  /** A few are given up half way at first, with or without having been seen. */
  #insist(operation: Insistence): Promise<HttpAnswer | undefined> {
    const abandon = this.#random.next() < 0.03 ? this.#random.pick(['half', 'sent'] as const) : undefined;
    return this.client.insist({ userId: this.identity.userId, abandon, ...operation });
  }

  #seen(chat: LedgerChat, answer: HttpAnswer): void {
    chat.version = Math.max(chat.version, Number(answer.headers['chat-version'] ?? 0));
  }
}
