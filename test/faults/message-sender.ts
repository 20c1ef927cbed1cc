import type { WireMessage } from '../../src/cache/wire-types.js';
import type { SeededRandom } from '../../src/transfer/seeded-random.js';
import type { Findings } from './findings.js';
import { jsonOf, type HttpAnswer } from './http-line.js';
import { codeOf, type InsistentClient, type Insistence } from './insistent-client.js';
import { describeSent, type Ledger, type LedgerChat, type SentMessage } from './ledger.js';
import { anyContent, type WriterIdentity } from './workload.js';

/** A seq that no chat comes to. */
const NO_SUCH_SEQ = 1_000_000_000;

/** Sends a client's messages in all the ways there are, and notes where they were told to be. */
export class MessageSender {
  /** Acknowledged messages that may be edited and deleted: those with a clientId, by which they stay known. */
  readonly editable: SentMessage[] = [];
  #number = 0;

  constructor(
    private readonly identity: WriterIdentity,
    private readonly random: SeededRandom,
    private readonly client: InsistentClient,
    private readonly ledger: Ledger,
    private readonly findings: Findings,
  ) {}

  /** Sends a message, most often simply. */
  async send(chat: LedgerChat): Promise<void> {
    const way = this.random.next();
    const earlier = this.editable[this.random.integer(Math.max(1, this.editable.length))];
    if (way < 0.05 && earlier !== undefined) return this.#repeat(earlier);
    if (way < 0.09 && earlier !== undefined) return this.#conflict(earlier);
    if (way < 0.12) return this.#replyToNothing(chat);
    if (way < 0.17) return this.#sendOnce(chat);
    const message = this.#next(chat, true);
    if (way < 0.25) {
      const both = await Promise.all([
        this.#insist('send on two connections', message),
        this.#insist('send on two connections', message),
      ]);
      for (const answer of both) this.#note(message, answer);
    } else {
      const abandon = this.random.next() < 0.04 ? this.random.pick(['half', 'sent'] as const) : undefined;
      this.#note(message, await this.#insist('send', message, { abandon }));
    }
    if (message.state !== 'acknowledged') return;
    this.editable.push(message);
    if (this.random.next() < 0.2) await this.#readBack(message);
  }

  /** An acknowledged message is sent again, as by a client that has lost its notes. */
  async #repeat(message: SentMessage): Promise<void> {
    const answer = await this.#insist('repeat', message);
    if (answer === undefined) return;
    const isReplay = answer.status === 200 && answer.headers['idempotency-replayed'] === 'true';
    this.findings.expect(isReplay, 'repeats', () => `${describeSent(message)} was sent again: ${answer.status}`);
    this.#note(message, answer);
  }

  /** Its clientId comes again with another text. */
  async #conflict(message: SentMessage): Promise<void> {
    const body = { ...bodyOf(message), text: `${message.original.text} altered` };
    const refusals = ['client_id_conflict'];
    const answer = await this.#insist('clientId with other content', message, { body, refusals });
    if (answer === undefined) return;
    const isRefused = answer.status === 409;
    this.findings.expect(isRefused, 'refusals', () => `${describeSent(message)} with other content: ${answer.status}`);
  }

  async #replyToNothing(chat: LedgerChat): Promise<void> {
    const message = this.#next(chat, true, NO_SUCH_SEQ);
    const answer = await this.#insist('reply to nothing', message, { refusals: ['reply_target_missing'] });
    if (answer === undefined) return;
    const isRefused = answer.status === 422;
    this.findings.expect(isRefused, 'refusals', () => `${describeSent(message)}: ${answer.status}`);
    message.state = 'refused';
  }

  /** Without a clientId nothing can be sent again: it may be there once, or not. */
  async #sendOnce(chat: LedgerChat): Promise<void> {
    const message = this.#next(chat, false);
    const answer = await this.client.askOnce(this.#question('send without a clientId', message));
    const counts = this.client.countsOf('send without a clientId');
    if (answer !== undefined && answer.status < 300) {
      counts.acknowledged++;
      this.#note(message, answer);
    } else if (answer !== undefined && codeOf(answer) === 'database_unavailable') {
      // Documented as: nothing was written.
      message.state = 'refused';
      counts.refused++;
    } else {
      counts.unknown++;
    }
  }

  /** What was acknowledged is readable, whatever happens in between. */
  async #readBack({ chatId, seq, senderId, clientId, content, tries }: SentMessage): Promise<void> {
    const path = `/v1/chats/${chatId}/messages/${seq}`;
    const answer = await this.client.insist({ kind: 'read of what was sent', method: 'GET', path });
    if (answer === undefined) return;
    const told = jsonOf<WireMessage>(answer);
    const text = content === 'deleted' ? undefined : content.text;
    const isRight = told.seq === seq && told.senderId === senderId && told.clientId === clientId && told.text === text;
    this.findings.expect(isRight, 'reads after writes', () => `${path} (${tries.join(', ')}): ${answer.text}`);
  }

  #next(chat: LedgerChat, hasClientId: boolean, replyTo?: number): SentMessage {
    const { client, device, userId: senderId } = this.identity;
    const number = ++this.#number;
    const target = this.random.next() < 0.2 ? chat.acknowledged.at(-1)?.seq : undefined;
    return this.ledger.open({
      chatId: chat.chatId,
      senderId,
      // Two devices of a user tell their ids apart; two users need not.
      clientId: hasClientId ? `${device === 1 ? '' : `device ${device}, `}${number}` : undefined,
      client,
      original: anyContent(this.random, `${client}.${number}`),
      replyTo: replyTo ?? target,
    });
  }

  #insist(kind: string, message: SentMessage, more: Partial<Insistence> = {}): Promise<HttpAnswer | undefined> {
    return this.client.insist({ ...this.#question(kind, message), ...more });
  }

  #question(kind: string, message: SentMessage): Insistence {
    const path = `/v1/chats/${message.chatId}/messages`;
    return { kind, method: 'POST', path, userId: message.senderId, body: bodyOf(message), tries: message.tries };
  }

  #note(message: SentMessage, answer: HttpAnswer | undefined): void {
    if (answer === undefined) return;
    const chat = this.ledger.chat(message.chatId);
    const told = jsonOf<WireMessage>(answer);
    if (message.state === 'acknowledged') {
      const isSame = told.seq === message.seq;
      this.findings.expect(isSame, 'repeats', () => `${describeSent(message)} was told seq ${told.seq} later`);
    } else {
      message.state = 'acknowledged';
      message.seq = told.seq;
      chat.acknowledged.push(message);
    }
    const version = Number(answer.headers['chat-version']);
    if (answer.headers['idempotency-replayed'] !== 'true') {
      message.freshAnswers++;
      message.version = version;
      const isRight = told.text === message.original.text && told.senderId === message.senderId;
      this.findings.expect(isRight, 'answers', () => `${describeSent(message)} was answered ${answer.text}`);
    }
    chat.version = Math.max(chat.version, version);
  }
}

function bodyOf({ clientId, original, replyTo }: SentMessage): object {
  return { ...original, clientId, replyTo };
}
