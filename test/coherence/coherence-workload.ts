import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { anyFirstChat, anyText, type WriterIdentity } from '../faults/workload.js';
import type { HistorySend } from '../history/history.js';
import type { SharedChat } from './crowd.js';
import { READS, type HistoryRecorder } from './history-recorder.js';
import type { WanderingClient, WriteOutcome } from './wandering-client.js';

/** Things that a client does side by side: while one waits for what was struck, the others go on. */
const HANDS = 6;

/** Of those, writes at once and writes that are followed at once: while the database is away, there are still hands that read. */
const WRITING_HANDS = 3;
const FOLLOWING_HANDS = 1;

/**
 * Between two looks at an instance that has not yet shown a write: this, or this part of the time since its acknowledgement. Looks in
 * short order would become most of what instances have to answer where there is no bus.
 */
const LOOK_AGAIN_MS = 2;
const LOOK_AGAIN_PART = 0.1;

/** Before an instance that is away is looked at again. */
const AWAY_MS = 100;

/** A write that is not shown after this many bounds is given up; the checker says whether that was right. */
const LOOKED_FOR_BOUNDS = 5;

/** Reads and writes of all kinds by one client, drawn by its seed. */
export class CoherenceWorkload {
  /** From an acknowledgement until another instance has answered it, in milliseconds. */
  readonly lagsMs: number[] = [];
  readonly #random: SeededRandom;
  readonly #pauses: SeededRandom;
  #number = 0;
  #writing = 0;
  #following = 0;

  constructor(
    private readonly identity: WriterIdentity,
    seed: number,
    private readonly boundMs: number,
    private readonly client: WanderingClient,
    private readonly chats: readonly SharedChat[],
    private readonly recorder: HistoryRecorder,
    /** Longest pause of a hand between two operations, in milliseconds. */
    private readonly longestPauseMs: number,
  ) {
    this.#random = new SeededRandom(seed * 1000 + identity.client);
    this.#pauses = new SeededRandom(~(seed * 1000 + identity.client));
  }

  /** Does operations until told to stop, and ends those under way. */
  async run(goesOn: () => boolean): Promise<void> {
    await Promise.all(Array.from({ length: HANDS }, () => this.#work(goesOn)));
  }

  async #work(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      // Before the first one too: hands do not begin all at once.
      if (this.longestPauseMs > 0) await sleep(this.#pauses.integer(this.longestPauseMs));
      const chat = this.chats[anyFirstChat(this.#random)]!;
      if (this.#random.next() < 0.6 || this.#writing === WRITING_HANDS) await this.#read(chat);
      else await this.#writeAndFollow(chat, goesOn);
    }
  }

  async #writeAndFollow(chat: SharedChat, goesOn: () => boolean): Promise<void> {
    this.#writing++;
    const written = await this.#write(chat);
    this.#writing--;
    const isFollowed = this.#random.next() < 0.3 && this.#following < FOLLOWING_HANDS;
    if (written === undefined || !isFollowed) return;
    this.#following++;
    await this.#follow(chat, written, goesOn);
    this.#following--;
  }

  async #read(chat: SharedChat): Promise<void> {
    const { chatId, sent } = chat;
    const path = `/v1/chats/${chatId}`;
    const random = this.#random;
    const seq = 1 + random.integer(Math.max(1, sent.length));
    const limit = 1 + random.integer(20);
    const kind = random.next() < 0.4 ? 'page' : random.pick(READS);
    const get = (rest: string, userId?: string): Promise<number | undefined> =>
      this.client.read(kind, chatId, { method: 'GET', path: path + rest, userId });
    const { userId } = this.identity;
    switch (kind) {
      case 'chat':
        return void (await get(''));
      case 'page': {
        const way = random.pick(['', '', '', `&before=${seq + 1}`, `&after=${seq}`, `&around=${seq}`, 'unread']);
        if (way !== 'unread') return void (await get(`/messages?limit=${limit}${way}`));
        if (chat.members.includes(userId)) await get(`/messages?limit=${limit}&around=firstUnread`, userId);
        return;
      }
      case 'message':
        return void (await get(`/messages/${sent.at(-1 - random.integer(10))?.seq ?? 1}`));
      case 'participants':
        return void (await get('/participants?limit=200'));
      case 'changes':
        return void (await get(`/changes?limit=200&since=${random.integer(seq)}`));
      case 'latest': {
        const body = { chatIds: this.chats.map((each) => each.chatId), limit: 5 };
        return void (await this.client.read(kind, '', { method: 'POST', path: '/v1/messages/latest', body }));
      }
      case 'inbox': {
        const inbox = `/v1/users/${encodeURIComponent(userId)}/chats?limit=50`;
        return void (await this.client.read(kind, userId, { method: 'GET', path: inbox }));
      }
    }
  }

  async #write(chat: SharedChat): Promise<WriteOutcome | undefined> {
    const { chatId } = chat;
    const random = this.#random;
    const path = `/v1/chats/${chatId}`;
    const kind = random.next();
    if (kind < 0.55) return this.#send(chat);
    const target = chat.sent.at(-1 - random.integer(10));
    if (target === undefined) return undefined;
    const ofMessage = `${path}/messages/${target.seq}`;
    const { senderId } = target;
    const refusals = ['message_deleted'];
    if (kind < 0.7) {
      const text = anyText(random, this.#name());
      target.texts.push(text);
      const body = { text };
      return this.client.write({
        kind: 'edit',
        chatId,
        raises: true,
        method: 'PATCH',
        path: ofMessage,
        userId: senderId,
        body,
        refusals,
        isMessage: true,
      });
    }
    if (kind < 0.74) {
      target.isDeleted = true;
      return this.client.write({
        kind: 'delete',
        chatId,
        raises: false,
        method: 'DELETE',
        path: ofMessage,
        userId: senderId,
      });
    }
    const { userId } = this.identity;
    if (kind < 0.84 && chat.members.includes(userId)) {
      const method = random.next() < 0.7 ? 'PUT' : 'DELETE';
      const reaction = `${ofMessage}/reactions/${encodeURIComponent(random.pick(this.identity.emoji))}`;
      return this.client.write({ kind: 'reaction', chatId, raises: false, method, path: reaction, userId, refusals });
    }
    if (kind < 0.93 && chat.members.includes(userId)) {
      const body = { seq: target.seq };
      return this.client.write({
        kind: 'read marker',
        chatId,
        raises: false,
        method: 'PUT',
        path: `${path}/read`,
        userId,
        body,
      });
    }
    if (kind < 0.98) {
      const guest = `${path}/participants/guest%20${random.integer(3)}`;
      const isIn = random.next() < 0.6;
      const how = isIn ? { method: 'PUT', body: { role: random.pick(['member', 'readonly']) } } : { method: 'DELETE' };
      // Somebody else may have taken the guest out, or not let in at all.
      return this.client.write({
        kind: 'member',
        chatId,
        raises: false,
        path: guest,
        refusals: ['participant_not_found'],
        ...how,
      });
    }
    const body = { title: `title ${this.#name()}` };
    // The answer is the chat as it is when it is answered, perhaps with others' later writes.
    return this.client.write({ kind: 'title', chatId, raises: false, method: 'PATCH', path, body });
  }

  async #send(chat: SharedChat): Promise<WriteOutcome | undefined> {
    const { chatId } = chat;
    const senderId = this.#random.pick(chat.members);
    const clientId = this.#name();
    const text = anyText(this.#random, clientId);
    const send: HistorySend = { chatId, senderId, clientId, texts: [text], isDeleted: false, seq: undefined };
    this.recorder.sends.push(send);
    const question = {
      kind: 'send',
      chatId,
      raises: true,
      method: 'POST',
      path: `/v1/chats/${chatId}/messages`,
      userId: senderId,
      body: { text, clientId },
      isMessage: true,
    };
    const outcome = await this.client.write(question, send);
    if (outcome !== undefined) chat.sent.push(send);
    // Now and then once more, as by a client that has lost its notes, at any instance.
    if (this.#random.next() < 0.1) await this.client.write({ ...question, kind: 'repeat' }, send);
    return outcome;
  }

  /** Looks at another instance until it shows what was written, without asking for it. */
  async #follow({ chatId }: SharedChat, written: WriteOutcome, goesOn: () => boolean): Promise<void> {
    const others = Array.from({ length: this.client.instances }, (_unused, at) => at).filter(
      (at) => at !== written.instance,
    );
    const instance = this.#random.pick(others);
    const untilMs = written.returnedMs + LOOKED_FOR_BOUNDS * this.boundMs;
    while (goesOn() && performance.now() < untilMs) {
      const version = await this.client.look(chatId, instance);
      if (version !== undefined && version >= written.version) {
        this.lagsMs.push(performance.now() - written.returnedMs);
        return;
      }
      const sinceMs = performance.now() - written.returnedMs;
      await sleep(Math.max(version === undefined ? AWAY_MS : LOOK_AGAIN_MS, LOOK_AGAIN_PART * sinceMs));
    }
  }

  /** Of a message or a text: nobody else's. */
  #name(): string {
    return `${this.identity.client}.${++this.#number}`;
  }
}
