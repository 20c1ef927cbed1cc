import { Agent, request as startRequest, type ClientRequest, type IncomingHttpHeaders } from 'node:http';

/** An answer of an instance. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** What is asked of an instance. */
export interface HttpQuestion {
  readonly method: string;
  readonly path: string;
  readonly userId?: string | undefined;
  readonly body?: object | undefined;
  /** Asks for this version of the chat or a later one. */
  readonly minVersion?: number | undefined;
  /** Closes the connection when half of the body is sent, or all of it, without waiting for the answer. */
  readonly abandon?: 'half' | 'sent' | undefined;
}

/** Longest wait for an answer. Shorter than some faults, so that a write is sent again while the first is still at work. */
const ANSWER_TIMEOUT_MS = 3_000;

/** One client's keep-alive connections to an instance that may go away at any time. */
export class HttpLine {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });
  readonly #underWay = new Set<ClientRequest>();

  constructor(
    readonly port: number,
    private readonly timeoutMs = ANSWER_TIMEOUT_MS,
  ) {}

  /** Requests that wait for their answer. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Asks once. @returns `undefined` when no complete answer came: whether the request was seen is unknown. */
  ask({ method, path, userId, body, minVersion, abandon }: HttpQuestion): Promise<HttpAnswer | undefined> {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve) => {
      const request = startRequest({
        agent: this.#agent,
        host: '127.0.0.1',
        port: this.port,
        method,
        path,
        headers: {
          ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
          // Header values are Latin-1; ids are UTF-8 in it.
          ...(userId === undefined ? {} : { 'x-user-id': Buffer.from(userId).toString('latin1') }),
          ...(minVersion === undefined ? {} : { 'min-chat-version': String(minVersion) }),
        },
      });
      this.#underWay.add(request);
      const finish = (answer: HttpAnswer | undefined): void => {
        this.#underWay.delete(request);
        resolve(answer);
      };
      request.setTimeout(this.timeoutMs, () => request.destroy());
      request.on('error', () => finish(undefined));
      request.on('close', () => finish(undefined));
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => finish(undefined));
        response.on('end', () => {
          const { statusCode: status, headers, complete } = response;
          finish(complete ? { status: status!, headers, text: Buffer.concat(chunks).toString() } : undefined);
        });
      });
      const leave = (): void => void request.destroy();
      if (abandon === undefined) request.end(bytes);
      else if (abandon === 'sent' || bytes === undefined) request.end(bytes, leave);
      else request.write(bytes.subarray(0, bytes.length / 2), leave);
    });
  }

  /** Closes the connections of all requests under way. @returns how many. */
  cut(): number {
    const cut = [...this.#underWay];
    for (const request of cut) request.destroy();
    return cut.length;
  }

  /** Closes every connection. */
  close(): void {
    this.#agent.destroy();
  }
}

/** The JSON of an answer's body. */
export function jsonOf<T>({ text }: HttpAnswer): T {
  return JSON.parse(text) as T;
}
