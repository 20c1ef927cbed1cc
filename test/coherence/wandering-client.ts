import { setTimeout as sleep } from 'node:timers/promises';
import type { WireMessage } from '../../src/cache/wire-types.js';
import type { SeededRandom } from '../../src/transfer/seeded-random.js';
import type { Findings } from '../faults/findings.js';
import { HttpLine, jsonOf, type HttpAnswer, type HttpQuestion } from '../faults/http-line.js';
import { codeOf } from '../faults/insistent-client.js';
import type { OperationTally } from '../faults/operation-tally.js';
import type { HistorySend } from '../history/history.js';
import type { HistoryRecorder, ReadKind } from './history-recorder.js';

/** Between two tries of a write. */
const TRY_AGAIN_MS = 50;

/**
 * A client prefers other instances to one at which so many of its requests wait, or that has failed it so recently. Without that, all
 * that clients do ends at the instance that is struck; and with a longer time, an instance that has come back is left alone.
 */
const WAITING_AT_ONE = 2;
const AVOIDED_MS = 250;

/** When all faults are over, a write must be decided within this time. */
const ANSWER_LIMIT_MS = 60_000;

/** A write, to be tried until it is decided. */
export interface WriteQuestion extends HttpQuestion {
  readonly kind: string;
  readonly chatId: string;
  /** Whether it makes a new version whenever it is acknowledged at the first try. */
  readonly raises: boolean;
  /** Codes of refusals that it may be answered with. */
  readonly refusals?: readonly string[];
  /** Whether the answer is a message. */
  readonly isMessage?: boolean;
}

/** What a write was answered, and by whom. */
export interface WriteOutcome {
  readonly instance: number;
  readonly version: number;
  readonly returnedMs: number;
}

/**
 * A client that goes from instance to instance, and takes with it what it knows: the versions it has been told are the
 * least it wants to be told next, in about half of its reads.
 */
export class WanderingClient {
  readonly #tokens = new Map<string, number>();
  readonly #lines: readonly HttpLine[];
  /** When each instance has last failed it. */
  readonly #failedMs: number[];
  #peaceSinceMs: number | undefined;

  constructor(
    readonly client: number,
    ports: readonly number[],
    private readonly random: SeededRandom,
    private readonly recorder: HistoryRecorder,
    private readonly tally: OperationTally,
    private readonly findings: Findings,
  ) {
    this.#lines = ports.map((port) => new HttpLine(port));
    this.#failedMs = ports.map(() => -Infinity);
  }

  /** How many instances it may ask. */
  get instances(): number {
    return this.#lines.length;
  }

  /** Requests that wait for their answer. */
  get underWay(): number {
    return this.#lines.reduce((sum, line) => sum + line.underWay, 0);
  }

  /** Told when all faults are over: from now on writes have to be decided in time. */
  expectAnswers(): void {
    this.#peaceSinceMs = performance.now();
  }

  /** Closes the connections of all requests under way. @returns how many. */
  cut(): number {
    return this.#lines.reduce((sum, line) => sum + line.cut(), 0);
  }

  /** Closes every connection. */
  close(): void {
    for (const line of this.#lines) line.close();
  }

  /**
   * Reads once.
   *
   * @param subject - the user whose inbox it is, else the chat.
   * @returns the highest version told; `undefined` when there was no answer, or 404, or 503.
   */
  read(
    kind: ReadKind,
    subject: string,
    question: HttpQuestion,
    instance = this.#anyInstance(),
  ): Promise<number | undefined> {
    const token = this.#tokens.get(subject);
    return this.#readOnce(kind, subject, question, instance, this.random.next() < 0.5 ? token : undefined);
  }

  /** Reads a chat of an instance without a token. */
  look(chatId: string, instance: number): Promise<number | undefined> {
    return this.#readOnce('chat', chatId, { method: 'GET', path: `/v1/chats/${chatId}` }, instance, undefined);
  }

  /**
   * Writes, at one instance or the other, until it is decided.
   *
   * @returns `undefined` when it was refused as it may be.
   */
  async write(question: WriteQuestion, send?: HistorySend): Promise<WriteOutcome | undefined> {
    const { kind, chatId, refusals = [] } = question;
    const invokedMs = performance.now();
    let { raises } = question;
    for (;;) {
      const instance = this.#anyInstance();
      const answer = await this.#ask(instance, question);
      if (answer !== undefined && refusals.includes(codeOf(answer))) {
        this.tally.of(kind).refused++;
        return undefined;
      }
      if (this.#isRight(kind, question, answer) && answer.status < 300) {
        const isReplay = answer.headers['idempotency-replayed'] === 'true';
        const version = Number(answer.headers['chat-version']);
        const message = question.isMessage === true ? jsonOf<WireMessage>(answer) : undefined;
        if (send !== undefined) {
          const isSame = send.seq === undefined || send.seq === message!.seq;
          this.findings.expect(isSame, 'repeats', () => `${send.clientId} was at ${send.seq}, is at ${message!.seq}`);
          send.seq = message!.seq;
          // A message that is told as new has made its version, however often it was tried before.
          raises = !isReplay;
        }
        // What is told of a replay may be of any version.
        const facts = message === undefined || !raises ? [] : [[`message ${message.seq}`, message] as const];
        this.recorder.write({ kind, client: this.client, instance, chatId, invokedMs, version, raises }, facts);
        this.#learn(chatId, version);
        return { instance, version, returnedMs: performance.now() };
      }
      raises = false;
      if (this.#peaceSinceMs !== undefined && performance.now() - this.#peaceSinceMs > ANSWER_LIMIT_MS) {
        this.findings.violate('answers', `${kind}: ${question.path} is not decided, long after the last fault`);
        return undefined;
      }
      await sleep(TRY_AGAIN_MS);
    }
  }

  async #readOnce(
    kind: ReadKind,
    subject: string,
    question: HttpQuestion,
    instance: number,
    minVersion: number | undefined,
  ): Promise<number | undefined> {
    const invokedMs = performance.now();
    const answer = await this.#ask(instance, { ...question, minVersion });
    if (!this.#isRight(`read of ${kind}`, question, answer) || answer.status === 404) return undefined;
    const version = this.recorder.read(kind, subject, answer, { client: this.client, instance, invokedMs, minVersion });
    if (kind !== 'inbox' && kind !== 'latest') this.#learn(subject, version);
    return version;
  }

  async #ask(instance: number, question: HttpQuestion): Promise<HttpAnswer | undefined> {
    const answer = await this.#lines[instance]!.ask(question);
    if (answer === undefined || answer.status === 503) this.#failedMs[instance] = performance.now();
    return answer;
  }

  /** One that neither keeps the client waiting nor has just failed it, where there is one. */
  #anyInstance(): number {
    const all = [...this.#lines.keys()];
    const sinceMs = performance.now() - AVOIDED_MS;
    const ready = all.filter((at) => this.#lines[at]!.underWay < WAITING_AT_ONE && this.#failedMs[at]! < sinceMs);
    return this.random.pick(ready.length > 0 ? ready : all);
  }

  #learn(chatId: string, version: number): void {
    this.#tokens.set(chatId, Math.max(version, this.#tokens.get(chatId) ?? 0));
  }

  /** Counts an answer. @returns whether there is one that can be used: 2xx, or 404. */
  #isRight(kind: string, { path }: HttpQuestion, answer: HttpAnswer | undefined): answer is HttpAnswer {
    const counts = this.tally.of(kind);
    this.findings.count('answers');
    if (answer === undefined) {
      counts.unanswered++;
      return false;
    }
    if (answer.status < 300) {
      if (answer.headers['idempotency-replayed'] === 'true') counts.replayed++;
      else counts.acknowledged++;
      return true;
    }
    if (answer.status === 503) {
      const code = codeOf(answer);
      counts.unavailable.set(code, (counts.unavailable.get(code) ?? 0) + 1);
      return false;
    }
    if (answer.status === 404) {
      counts.refused++;
      return kind.startsWith('read of message');
    }
    // A request that stopped half way, because the connection did.
    if (answer.status !== 408) this.findings.violate('answers', `${kind}: ${path}: ${answer.status} ${answer.text}`);
    return false;
  }
}
