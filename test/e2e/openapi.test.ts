import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiClient } from '../support/api-client.js';
import {
  headerFaults,
  operationsOf,
  refsOf,
  registeredRoutes,
  resolveRef,
  validatorOf,
  type OpenApi,
  type Operation,
} from '../support/openapi.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { untilWarm } from './until-warm.js';

/** The REST table of the contract, and what was added to it. */
const CONTRACT = [
  'POST /v1/chats',
  'GET /v1/chats/{chatId}',
  'PATCH /v1/chats/{chatId}',
  'DELETE /v1/chats/{chatId}',
  'GET /v1/chats/{chatId}/participants',
  'PUT /v1/chats/{chatId}/participants/{userId}',
  'DELETE /v1/chats/{chatId}/participants/{userId}',
  'POST /v1/chats/{chatId}/messages',
  'GET /v1/chats/{chatId}/messages',
  'GET /v1/chats/{chatId}/messages/{seq}',
  'GET /v1/chats/{chatId}/messages/{seq}/edits',
  'PATCH /v1/chats/{chatId}/messages/{seq}',
  'DELETE /v1/chats/{chatId}/messages/{seq}',
  'PUT /v1/chats/{chatId}/messages/{seq}/reactions/{emoji}',
  'DELETE /v1/chats/{chatId}/messages/{seq}/reactions/{emoji}',
  'PUT /v1/chats/{chatId}/read',
  'GET /v1/chats/{chatId}/changes',
  'GET /v1/users/{userId}/chats',
  'POST /v1/messages/latest',
];

/** The table of what operators ask. */
const OPERATIONS = [
  'GET /health/live',
  'GET /health/startup',
  'GET /health/ready',
  'GET /metrics',
  'GET /v1/admin/cache',
  'PUT /v1/admin/cache/mode',
  'POST /v1/admin/cache/verify',
  'GET /v1/admin/cache/chats/{chatId}',
  'DELETE /v1/admin/cache/chats/{chatId}',
  'GET /',
  'GET /problems/{code}',
];

const ROUTES = [...CONTRACT, ...OPERATIONS];

/** Query parameters of the contract's table. */
const QUERIES: Readonly<Record<string, readonly string[]>> = {
  'GET /v1/chats/{chatId}/participants': ['after', 'limit'],
  'GET /v1/chats/{chatId}/messages': ['after', 'around', 'before', 'limit'],
  'GET /v1/chats/{chatId}/changes': ['limit', 'since'],
  'GET /v1/users/{userId}/chats': ['cursor', 'limit'],
};

const EMOJI = '/messages/2/reactions/%F0%9F%91%8D';

/** Real requests, in this order; `{id}` is a chat that the first one makes. */
const CALLS: readonly (readonly [operation: string, path: string, status: number, body: object | undefined])[] = [
  ['POST /v1/chats', '', 201, { id: '{id}', title: 'one', metadata: { a: [1] }, participants: [{ userId: 'ann' }] }],
  ['POST /v1/chats', '', 409, { id: '{id}', title: 'two' }],
  ['POST /v1/chats', '', 400, { id: 'x', extra: 1 }],
  ['POST /v1/chats/{chatId}/messages', '/messages', 201, { text: 'one', clientId: 'c', metadata: { a: null } }],
  ['POST /v1/chats/{chatId}/messages', '/messages', 200, { text: 'one', clientId: 'c', metadata: { a: null } }],
  ['POST /v1/chats/{chatId}/messages', '/messages', 201, { text: 'two', kind: 'system', replyTo: 1 }],
  ['POST /v1/chats/{chatId}/messages', '/messages', 422, { text: 'x', replyTo: 9 }],
  ['POST /v1/chats/{chatId}/messages', '/messages', 409, { text: 'x', clientId: 'c' }],
  ['PUT /v1/chats/{chatId}/messages/{seq}/reactions/{emoji}', EMOJI, 204, undefined],
  ['PATCH /v1/chats/{chatId}/messages/{seq}', '/messages/2', 200, { text: 'changed' }],
  ['GET /v1/chats/{chatId}/messages/{seq}', '/messages/2', 200, undefined],
  ['GET /v1/chats/{chatId}/messages/{seq}/edits', '/messages/2/edits', 200, undefined],
  ['GET /v1/chats/{chatId}/messages/{seq}/edits', '/messages/9/edits', 404, undefined],
  ['DELETE /v1/chats/{chatId}/messages/{seq}', '/messages/1', 204, undefined],
  ['GET /v1/chats/{chatId}/messages/{seq}', '/messages/1', 200, undefined],
  ['GET /v1/chats/{chatId}/messages/{seq}', '/messages/3', 404, undefined],
  ['GET /v1/chats/{chatId}/messages', '/messages', 200, undefined],
  ['GET /v1/chats/{chatId}/messages', '/messages?limit=0', 400, undefined],
  ['DELETE /v1/chats/{chatId}/messages/{seq}/reactions/{emoji}', EMOJI, 204, undefined],
  ['PUT /v1/chats/{chatId}/participants/{userId}', '/participants/ben', 201, { role: 'owner' }],
  ['PUT /v1/chats/{chatId}/participants/{userId}', '/participants/ben', 200, {}],
  ['GET /v1/chats/{chatId}/participants', '/participants?limit=1', 200, undefined],
  ['DELETE /v1/chats/{chatId}/participants/{userId}', '/participants/ben', 204, undefined],
  ['PUT /v1/chats/{chatId}/read', '/read', 200, { seq: 2 }],
  ['PUT /v1/chats/{chatId}/read', '/read', 422, { seq: 5 }],
  ['GET /v1/chats/{chatId}/changes', '/changes?since=0', 200, undefined],
  ['GET /v1/chats/{chatId}/changes', '/changes?since=2&limit=1', 200, undefined],
  ['GET /v1/chats/{chatId}/changes', '/changes?since=99', 410, undefined],
  ['PATCH /v1/chats/{chatId}', '', 200, { title: null }],
  ['GET /v1/chats/{chatId}', '', 200, undefined],
  ['GET /v1/users/{userId}/chats', '/v1/users/ann/chats', 200, undefined],
  ['POST /v1/messages/latest', '/v1/messages/latest', 200, { chatIds: ['{id}'], limit: 5 }],
  ['GET /v1/admin/cache', '/v1/admin/cache', 200, undefined],
  ['PUT /v1/admin/cache/mode', '/v1/admin/cache/mode', 200, { mode: 'on' }],
  ['PUT /v1/admin/cache/mode', '/v1/admin/cache/mode', 400, { mode: 'broken' }],
  ['POST /v1/admin/cache/verify', '/v1/admin/cache/verify', 200, { sample: 1, chatIds: ['{id}'], repair: true }],
  ['POST /v1/admin/cache/verify', '/v1/admin/cache/verify', 200, undefined],
  ['GET /v1/admin/cache/chats/{chatId}', '/v1/admin/cache/chats/{id}', 200, undefined],
  ['DELETE /v1/admin/cache/chats/{chatId}', '/v1/admin/cache/chats/{id}', 204, undefined],
  ['GET /v1/admin/cache/chats/{chatId}', '/v1/admin/cache/chats/{id}', 200, undefined],
  ['GET /health/live', '/health/live', 200, undefined],
  ['GET /health/startup', '/health/startup', 200, undefined],
  ['GET /health/ready', '/health/ready', 200, undefined],
  ['GET /metrics', '/metrics', 200, undefined],
  ['GET /', '/', 200, undefined],
  ['GET /problems/{code}', '/problems/last_owner', 200, undefined],
  ['GET /problems/{code}', '/problems/no_such_code', 404, undefined],
  ['DELETE /v1/chats/{chatId}', '', 204, undefined],
  ['GET /v1/chats/{chatId}', '', 404, undefined],
];

describe('the OpenAPI document', () => {
  let running: TestInstance;
  let api: ApiClient;
  let document: OpenApi;
  let operations: Map<string, Operation>;
  beforeAll(async () => {
    running = await startTestInstance();
    await untilWarm(running.api);
    api = running.api.as('ann');
    document = (await api.get<OpenApi>('/openapi.json')).body;
    operations = operationsOf(document);
  });
  afterAll(() => running.close());

  it('is OpenAPI 3.1', async () => {
    const answer = await api.get('/openapi.json');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
  });

  it('names the routes of the contract and no others', () => {
    expect([...operations.keys()].sort()).toEqual([...ROUTES].sort());
  });

  it('names every route that is registered, except those of the documentation', () => {
    const registered = registeredRoutes(running.instance.app);
    expect(registered).toContain('GET /docs');
    expect(registered.filter((route) => !/ \/(docs|openapi)|\*$/.test(route)).sort()).toEqual([...ROUTES].sort());
  });

  it.each(ROUTES.filter((route) => route !== 'GET /metrics'))('names a route that is there: %s', async (route) => {
    const [method, path] = route.split(' ') as [string, string];
    const dummies: Record<string, string> = {
      chatId: randomUUID(),
      userId: 'nobody',
      seq: '1',
      emoji: 'ok',
      code: 'forbidden',
    };
    const answer = await api.request(
      method,
      path.replace(/\{(\w+)\}/g, (_match, name: string) => dummies[name]!),
    );
    expect(answer.status).toBeLessThan(500);
    if (answer.status === 204) return;
    expect(answer.headers.get('content-type')).toMatch(/json/);
    expect(answer.body).not.toMatchObject({ code: 'route_not_found' });
  });

  it('has no reference that leads nowhere', () => {
    const refs = refsOf(document);
    expect(refs.length).toBeGreaterThan(CONTRACT.length);
    const isDead = (ref: string, trail: readonly string[] = []): boolean => {
      const target = resolveRef(document, ref) as { readonly $ref?: string } | undefined;
      if (target === undefined || trail.includes(ref)) return true;
      return target.$ref !== undefined && isDead(target.$ref, [...trail, ref]);
    };
    expect(refs.filter(({ ref }) => isDead(ref))).toEqual([]);
  });

  it('gives every operation its own id, a summary, and an answer with a schema or without a body', () => {
    const ids = [...operations.values()].map(({ operationId }) => operationId);
    expect(ids).toEqual([...new Set(ids)]);
    for (const [route, { operationId, summary, responses }] of operations) {
      expect({ route, operationId, summary }).toEqual({
        route,
        operationId: expect.any(String),
        summary: expect.any(String),
      });
      const good = Object.entries(responses).filter(([status]) => status.startsWith('2'));
      expect({ route, good: good.length > 0 }).toEqual({ route, good: true });
      for (const [status, { content }] of good) {
        if (status === '204') expect({ route, content }).toEqual({ route, content: undefined });
        else {
          const type = route === 'GET /metrics' ? 'text/plain' : 'application/json';
          expect({ route, content }).toMatchObject({ route, content: { [type]: { schema: {} } } });
        }
      }
    }
  });

  it.each(ROUTES)('names the parameters of the path and of the query: %s', (route) => {
    const parameters = operations.get(route)?.parameters ?? [];
    const named = (where: string): string[] =>
      parameters.filter((parameter) => parameter.in === where).map(({ name }) => name);
    expect(named('path')).toEqual([...route.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
    expect(named('query').sort()).toEqual(QUERIES[route] ?? []);
    expect(parameters.filter((parameter) => parameter.in === 'path' && parameter.required !== true)).toEqual([]);
  });

  it.each(ROUTES.filter((route) => /^(POST|PATCH)|\/(read|mode)$/.test(route)))(
    'has a schema of the body: %s',
    (route) => {
      const schema = operations.get(route)?.requestBody?.content['application/json']?.schema;
      expect(schema).toBeDefined();
      const validator = validatorOf(document, schema!);
      const bodies = CALLS.filter(([operation, , status]) => operation === route && status < 300).flatMap(
        ([, , , body]) => body ?? [],
      );
      expect(bodies.length).toBeGreaterThan(0);
      for (const body of bodies) {
        const sent: unknown = JSON.parse(JSON.stringify(body).replaceAll('{id}', randomUUID()));
        expect(validator.safeParse(sent).error?.issues ?? []).toEqual([]);
        expect(validator.safeParse({ ...(sent as object), unknown: 1 }).success).toBe(false);
      }
    },
  );

  it('describes what is really answered', async () => {
    const id = randomUUID();
    const wrong: unknown[] = [];
    for (const [route, path, status, body] of CALLS) {
      const [method] = route.split(' ') as [string];
      const target = /^\/(v1|health|metrics|problems|$)/.test(path)
        ? path.replace('{id}', id)
        : route === 'POST /v1/chats'
          ? '/v1/chats'
          : `/v1/chats/${id}${path}`;
      const sent = body === undefined ? undefined : JSON.stringify(body).replaceAll('{id}', id);
      const answer = await api.request(method, target, sent);
      expect({ route, path, status: answer.status, body: answer.body }).toMatchObject({ route, path, status });
      const described = operations.get(route)?.responses[String(status)];
      const type = answer.headers.get('content-type')?.split(';')[0];
      const schema = type === undefined ? undefined : described?.content?.[type]?.schema;
      if (described === undefined || (schema === undefined) !== (status === 204)) {
        wrong.push({ route, status, described });
        continue;
      }
      const faults = headerFaults(described, answer.headers);
      if (faults.length > 0) wrong.push({ route, status, faults });
      if (schema === undefined) continue;
      try {
        const { error } = validatorOf(document, schema).safeParse(answer.body);
        if (error !== undefined) wrong.push({ route, status, issues: error.issues, body: answer.body });
      } catch (error) {
        wrong.push({ route, status, error: String(error) });
      }
    }
    expect(wrong).toEqual([]);
    expect(new Set(CALLS.map(([route]) => route))).toEqual(new Set(ROUTES));
  });

  it('allows as an answer the id of a chat that it allows in a request', async () => {
    // No version and no variant of RFC 9562, but a UUID to PostgreSQL and to the API.
    const id = '12345678-1234-0234-0234-123456789abc';
    const chat = await api.createChat({ id });
    const { responses } = operations.get('POST /v1/chats')!;
    const validator = validatorOf(document, responses['201']!.content!['application/json']!.schema);
    expect(validator.safeParse(chat).error?.issues ?? []).toEqual([]);
  });

  it('allows ids of chats in upper case, as the API does', async () => {
    const { id } = await api.createChat();
    expect((await api.get(`/v1/chats/${id.toUpperCase()}`)).status).toBe(200);
    const [parameter] = operations.get('GET /v1/chats/{chatId}')!.parameters!;
    expect(validatorOf(document, parameter!.schema).safeParse(id.toUpperCase()).error?.issues ?? []).toEqual([]);
  });

  describe('at /docs', () => {
    it('is a page that loads nothing from elsewhere, and all that it loads is there', async () => {
      const page = await api.get<string>('/docs');
      expect(page.status).toBe(200);
      expect(page.headers.get('content-type')).toMatch(/^text\/html/);
      const loaded = [...page.body.matchAll(/<(?:script|link|img|iframe)[^>]*?\s(?:src|href)="([^"]*)"/g)].map(
        (match) => match[1]!,
      );
      expect(loaded.length).toBeGreaterThan(2);
      for (const address of loaded) {
        const url = new URL(address, `${running.api.url}/docs`);
        expect({ address, origin: url.origin }).toEqual({ address, origin: running.api.url });
        expect({ address, status: (await api.get(url.pathname)).status }).toEqual({ address, status: 200 });
      }
    });

    it('works over plain HTTP: nothing asks the browser to load its parts by HTTPS', async () => {
      const policy = (await api.get('/docs')).headers.get('content-security-policy') ?? '';
      expect(policy).not.toContain('upgrade-insecure-requests');
    });
  });
});
