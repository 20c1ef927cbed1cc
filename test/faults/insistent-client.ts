import { setTimeout as sleep } from 'node:timers/promises';
import type { Findings } from './findings.js';
import { jsonOf, type HttpAnswer, type HttpLine, type HttpQuestion } from './http-line.js';
import type { OperationCounts, OperationTally } from './operation-tally.js';

/** Between two tries. */
const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 400;

/** When all faults are over, an operation must be answered within this time. */
const ANSWER_LIMIT_MS = 60_000;

/** An operation of a client. */
export interface Insistence extends HttpQuestion {
  /** What it is counted as. */
  readonly kind: string;
  /** Codes of the refusals that it may be answered with. */
  readonly refusals?: readonly string[];
  /** Where its tries are noted. */
  readonly tries?: string[] | undefined;
}

/** A client that does not rest until it has an answer that decides: 2xx, or a refusal. */
export class InsistentClient {
  #peaceSinceMs: number | undefined;

  constructor(
    readonly line: HttpLine,
    private readonly tally: OperationTally,
    private readonly findings: Findings,
  ) {}

  /** Told when all faults are over: from now on answers have to come in time. */
  expectAnswers(): void {
    this.#peaceSinceMs = performance.now();
  }

  /** The counts of a kind of operation. */
  countsOf(kind: string): OperationCounts {
    return this.tally.of(kind);
  }

  /**
   * Asks again and again.
   *
   * @returns `undefined` when nobody decides long after the faults are over, or the answer is one that must never be; a
   * violation is then noted.
   */
  async insist(operation: Insistence): Promise<HttpAnswer | undefined> {
    const { kind, refusals = [] } = operation;
    const counts = this.tally.of(kind);
    let { abandon } = operation;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
      const answer = await this.askOnce({ ...operation, abandon });
      abandon = undefined;
      if (answer !== undefined) {
        if (answer.status < 300) {
          if (answer.headers['idempotency-replayed'] === 'true') counts.replayed++;
          else counts.acknowledged++;
          return answer;
        }
        if (refusals.includes(codeOf(answer))) {
          counts.refused++;
          return answer;
        }
        if (answer.status < 500 && answer.status !== 408) {
          this.findings.violate('answers', `${describe(operation)} was refused: ${answer.status} ${answer.text}`);
          return undefined;
        }
      }
      if (this.#peaceSinceMs !== undefined && performance.now() - this.#peaceSinceMs > ANSWER_LIMIT_MS) {
        this.findings.violate('answers', `${describe(operation)} is not decided, long after the last fault`);
        return undefined;
      }
      await sleep(pauseMs);
    }
  }

  /** Asks once, and notes what came of it. @returns `undefined` when no answer came. */
  async askOnce(operation: Insistence): Promise<HttpAnswer | undefined> {
    const counts = this.tally.of(operation.kind);
    const answer = await this.line.ask(operation);
    this.findings.count('answers');
    if (answer === undefined) {
      counts.unanswered++;
      operation.tries?.push(operation.abandon === undefined ? 'no answer' : `abandoned (${operation.abandon})`);
      return undefined;
    }
    const code = answer.status < 300 ? '' : codeOf(answer);
    operation.tries?.push(`${answer.status} ${code}`.trimEnd());
    if (answer.status === 503) counts.unavailable.set(code, (counts.unavailable.get(code) ?? 0) + 1);
    else if (answer.status >= 500) {
      this.findings.violate('answers', `${describe(operation)} was answered: ${answer.status} ${answer.text}`);
    }
    return answer;
  }
}

/** The `code` of a problem, empty for other answers. */
export function codeOf(answer: HttpAnswer): string {
  const isProblem = answer.headers['content-type']?.startsWith('application/problem+json') === true;
  return isProblem ? jsonOf<{ code: string }>(answer).code : '';
}

function describe({ kind, method, path, userId, body }: Insistence): string {
  return `${kind}: ${method} ${path} of ${userId} ${JSON.stringify(body)}`;
}
