import type { WireChanges, WireChat, WireInbox, WireMessage, WirePage } from '../../src/cache/wire-types.js';

/** An answer of the API. */
export interface ApiAnswer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** Speaks HTTP to an instance, as a user's backend would. */
export class ApiClient {
  constructor(
    readonly url: string,
    /** The user that requests are made for. */
    private readonly userId?: string,
    /** The service key to send. */
    private readonly key?: string,
  ) {}

  /** The same, acting for a user. */
  as(userId: string): ApiClient {
    return new ApiClient(this.url, userId, this.key);
  }

  get<T>(path: string, headers: Record<string, string> = {}): Promise<ApiAnswer<T>> {
    return this.request<T>('GET', path, undefined, headers);
  }

  post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<ApiAnswer<T>> {
    return this.request<T>('POST', path, body, headers);
  }

  put<T>(path: string, body?: unknown): Promise<ApiAnswer<T>> {
    return this.request<T>('PUT', path, body);
  }

  patch<T>(path: string, body: unknown): Promise<ApiAnswer<T>> {
    return this.request<T>('PATCH', path, body);
  }

  delete<T>(path: string): Promise<ApiAnswer<T>> {
    return this.request<T>('DELETE', path);
  }

  /** Sends a request; a text body goes as it is. */
  async request<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<ApiAnswer<T>> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.userId === undefined ? {} : { 'x-user-id': this.userId }),
        ...(this.key === undefined ? {} : { authorization: `Bearer ${this.key}` }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }

  /** Creates a chat and gives it. */
  async createChat(chat: object = {}): Promise<WireChat> {
    return expectStatus(await this.post<WireChat>('/v1/chats', chat), 201, 200);
  }

  /** Sends a message and gives it. */
  async send(chatId: string, message: object): Promise<WireMessage> {
    return expectStatus(await this.post<WireMessage>(`/v1/chats/${chatId}/messages`, message), 201, 200);
  }

  /** Reads a page of messages. */
  async page(chatId: string, query = ''): Promise<WirePage> {
    return expectStatus(await this.get<WirePage>(`/v1/chats/${chatId}/messages${query}`), 200);
  }

  /** Reads a part of an inbox. */
  async inbox(userId: string, query = ''): Promise<WireInbox> {
    return expectStatus(await this.get<WireInbox>(`/v1/users/${encodeURIComponent(userId)}/chats${query}`), 200);
  }

  /** Reads changes. */
  async changes(chatId: string, since: number, query = ''): Promise<WireChanges> {
    return expectStatus(await this.get<WireChanges>(`/v1/chats/${chatId}/changes?since=${since}${query}`), 200);
  }
}

function expectStatus<T>(answer: ApiAnswer<T>, ...statuses: number[]): T {
  if (!statuses.includes(answer.status)) {
    throw new Error(`Expected ${statuses.join(' or ')}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}
