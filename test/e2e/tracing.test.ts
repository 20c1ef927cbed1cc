import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { InstanceProcess } from '../support/instance-process.js';
import { OtlpCollector } from '../support/otlp-collector.js';
import { ScriptProcess } from '../support/process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const CHAT = '01980000-0000-7000-8000-000000000001';
const PAGE = `/v1/chats/${CHAT}/messages`;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TEXT = 'a-text-that-no-trace-may-have';
const DEADLINE_MS = 20_000;

/** Starts an instance and says which modules of OpenTelemetry it has loaded. */
const MODULES_SCRIPT = `
  import { createRequire } from 'node:module';
  import { readEnvironment } from '${new URL('../../src/config/environment.js', import.meta.url).href}';
  import { startInstance } from '${new URL('../../src/main.js', import.meta.url).href}';
  const settings = JSON.parse(process.argv[1]);
  const instance = await startInstance(readEnvironment({ PORT: '0', LOG_LEVEL: 'fatal', ...settings }));
  await (await fetch(instance.url + '/health/live')).text();
  const names = Object.keys(createRequire(import.meta.url).cache).map((path) => /@opentelemetry\\/[\\w-]+/.exec(path)?.[0]);
  console.log(JSON.stringify([...new Set(names.filter((name) => name !== undefined))].sort()));
  await instance.close();
  process.exit(0);
`;

describe('requests are traced', () => {
  let database: TestDatabase;
  let collector: OtlpCollector;
  let instance: InstanceProcess;

  const start = (more: Readonly<Record<string, string>> = {}): Promise<InstanceProcess> =>
    InstanceProcess.start({
      DATABASE_URL: database.url,
      COHERENCE_BUS: 'none',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_BSP_SCHEDULE_DELAY: '50',
      ...more,
    });

  beforeAll(async () => {
    database = await createTestDatabase();
    collector = await OtlpCollector.start();
    instance = await start({ OTEL_SERVICE_NAME: 'chats', OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=k1' });
    await instance.api.createChat({ id: CHAT, participants: [{ userId: 'ann' }] });
  });
  afterAll(async () => {
    await instance?.stop();
    await collector?.stop();
    await database?.drop();
  });

  it('as a send with its wait, its commit and its statements, under the span that called', async () => {
    const headers = { 'x-request-id': 'send-1', traceparent: `00-${TRACE}-${PARENT}-01` };
    const sent = await instance.api.post(PAGE, { senderId: 'ann', text: TEXT, metadata: { note: TEXT } }, headers);
    expect(sent.status).toBe(201);
    const span = await collector.requestSpan('send-1');
    expect(span).toMatchObject({
      traceId: TRACE,
      parentSpanId: PARENT,
      name: 'POST /v1/chats/:chatId/messages',
      kind: 2,
      service: 'chats',
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/chats/:chatId/messages',
        'http.response.status_code': 201,
      },
    });
    const below = collector.below(span);
    expect(below.every(({ traceId }) => traceId === TRACE)).toBe(true);
    expect(below.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['write queue', 'write commit', 'begin', 'insert-messages', 'move-heads', 'commit']),
    );
    const commit = below.find(({ name }) => name === 'write commit')!;
    expect(commit.attributes).toEqual({ 'scrollback.write.operations': 1, 'scrollback.write.chats': 1 });
    const insert = below.find(({ name }) => name === 'insert-messages')!;
    expect(insert).toMatchObject({
      parentSpanId: commit.spanId,
      kind: 3,
      attributes: { 'db.system.name': 'postgresql', 'db.query.summary': 'insert-messages' },
    });
    expect(collector.headers['x-collector-key']).toBe('k1');
  });

  it('as several sends of one batch, each in its own trace, with a link to the one that has the statements', async () => {
    const ids = Array.from({ length: 12 }, (_unused, at) => `batch-${at}`);
    await Promise.all(
      ids.map((id) => instance.api.post(PAGE, { senderId: 'ann', text: TEXT }, { 'x-request-id': id })),
    );
    const spans = await Promise.all(ids.map((id) => collector.requestSpan(id)));
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(ids.length);
    const commits = spans.map((span) => collector.below(span).find(({ name }) => name === 'write commit')!);
    const linked = commits.filter(({ links }) => links.length > 0);
    expect(linked.length).toBeGreaterThan(0);
    for (const { links } of linked) {
      const first = commits.find(({ spanId }) => spanId === links[0])!;
      expect(first.links).toEqual([]);
      expect(Number(first.attributes['scrollback.write.operations'])).toBeGreaterThan(1);
      expect(collector.below(first).map(({ name }) => name)).toContain('insert-messages');
    }
  });

  it('as a miss with its load, and as a hit without anything', async () => {
    const fresh = await instance.api.createChat({ participants: [{ userId: 'ann' }] });
    const page = `/v1/chats/${fresh.id}/messages`;
    await instance.api.delete(`/v1/admin/cache/chats/${fresh.id}`);
    const read = async (id: string, path = page): Promise<string | null> =>
      (await instance.api.get(path, { 'x-request-id': id })).headers.get('cache-status');
    expect(await read('miss-1')).toBe('scrollback; fwd=miss');
    expect(await read('hit-1')).toBe('scrollback; hit');
    expect(await read('hit-2', `/v1/chats/${fresh.id}`)).toBe('scrollback; hit');
    expect(await read('hit-3', '/v1/users/ann/chats')).toMatch(/^scrollback; /);
    const miss = await collector.requestSpan('miss-1');
    expect(miss.attributes).toMatchObject({ 'scrollback.cache.family': 'messages', 'scrollback.cache.result': 'miss' });
    expect(collector.below(miss).map(({ name }) => name)).toEqual(['cache fill', 'load-chats']);
    const hit = await collector.requestSpan('hit-1');
    expect(hit).toMatchObject({
      name: 'GET /v1/chats/:chatId/messages',
      kind: 2,
      attributes: {
        'scrollback.cache.family': 'messages',
        'scrollback.cache.result': 'hit',
        'http.response.status_code': 200,
      },
    });
    expect(collector.below(hit)).toEqual([]);
    const chat = await collector.requestSpan('hit-2');
    expect(chat.attributes).toMatchObject({ 'scrollback.cache.family': 'chat', 'scrollback.cache.result': 'hit' });
    expect(collector.below(chat)).toEqual([]);
    expect((await collector.requestSpan('hit-3')).attributes).toMatchObject({ 'scrollback.cache.family': 'inbox' });
  });

  it('without their addresses, texts, users and probes', async () => {
    await instance.api.get('/health/live', { 'x-request-id': 'probe-1' });
    await instance.api.get('/nowhere/at-all', { 'x-request-id': 'lost-1' });
    expect(await collector.requestSpan('lost-1')).toMatchObject({
      name: 'GET',
      attributes: { 'http.response.status_code': 404 },
    });
    const all = collector.bodies.join('\n');
    expect(all).toContain('insert-messages');
    for (const absent of [TEXT, 'at-all', 'ann', 'probe-1', CHAT]) expect(all).not.toContain(absent);
  });

  it('unless their caller has them not sampled', async () => {
    const headers = { 'x-request-id': 'unsampled-1', traceparent: `00-${TRACE}-${PARENT}-00` };
    await instance.api.get(PAGE, headers);
    await instance.api.get(PAGE, { 'x-request-id': 'sampled-1' });
    await collector.requestSpan('sampled-1');
    expect(collector.spans.map(({ attributes }) => attributes['scrollback.request.id'])).not.toContain('unsampled-1');
  });

  it('with their trace in what is logged of them', async () => {
    const own = await createTestDatabase();
    let said = '';
    const slow = await InstanceProcess.start(
      {
        DATABASE_URL: own.url,
        COHERENCE_BUS: 'none',
        LOG_SLOW_SQL_MS: '1',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
      (more) => (said += more),
    );
    try {
      const chat = await slow.api.createChat({ participants: [{ userId: 'ann' }] });
      await own.query(`CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$`);
      await own.query('CREATE TRIGGER dawdle BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION dawdle()');
      const path = `/v1/chats/${chat.id}/messages`;
      await slow.api.post(path, { senderId: 'ann', text: TEXT }, { 'x-request-id': 'slow-1' });
      const { traceId } = await collector.requestSpan('slow-1');
      const lines = said.split('\n').filter((line) => line.includes('"statement":"insert-messages"'));
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0]!)).toMatchObject({
        level: 'warn',
        event: 'slow_sql',
        requestId: 'slow-1',
        traceId,
        path: 'write',
        operations: 1,
        chats: 1,
      });
    } finally {
      await slow.stop();
      await own.drop();
    }
  });
});

describe('a collector', () => {
  let database: TestDatabase;
  let collector: OtlpCollector;
  beforeAll(async () => {
    database = await createTestDatabase();
    collector = await OtlpCollector.start();
  });
  afterAll(async () => {
    await collector?.stop();
    await database?.drop();
  });

  it.each(['hang', 'refuse'] as const)(
    'that does not take what it is sent (%s) is told of once and hinders neither requests nor the shutdown',
    async (mode) => {
      collector.mode = mode;
      collector.deliveries = 0;
      let said = '';
      const instance = await InstanceProcess.start(
        {
          DATABASE_URL: database.url,
          COHERENCE_BUS: 'none',
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
          OTEL_EXPORTER_OTLP_TIMEOUT: '300',
          OTEL_BSP_SCHEDULE_DELAY: '20',
          SHUTDOWN_TIMEOUT_MS: '10000',
        },
        (more) => (said += more),
      );
      const chat = await instance.api.createChat({ participants: [{ userId: 'ann' }] });
      const isUndelivered = (): boolean => said.includes('"event":"traces_undelivered"');
      const goesOn = async (): Promise<boolean> => {
        await instance.api.send(chat.id, { senderId: 'ann', text: TEXT });
        return isUndelivered() && collector.deliveries > 2;
      };
      expect(await waitUntil(goesOn, DEADLINE_MS)).toBe(true);
      expect((await instance.api.page(chat.id)).items.length).toBeGreaterThan(0);
      expect(said.match(/"event":"traces_undelivered"/g)).toHaveLength(1);
      await instance.stop();
      // 1 would be that of a shutdown that was cut short.
      expect(instance.ended).toBe(0);
    },
  );

  it('that is not wanted has nothing of OpenTelemetry loaded but what the metrics bring', async () => {
    const load = async (more: Readonly<Record<string, string>>): Promise<string[]> => {
      const settings = { DATABASE_URL: database.url, COHERENCE_BUS: 'none', ...more };
      const script = ScriptProcess.start(MODULES_SCRIPT, [JSON.stringify(settings)]);
      const loaded = JSON.parse(await script.readLine()) as string[];
      expect(await script.exited).toEqual({ code: 0, signal: null });
      return loaded;
    };
    // prom-client takes the type of its exemplars from there.
    expect(await load({})).toEqual(['@opentelemetry/api']);
    const disabled = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_SDK_DISABLED: 'true' };
    expect(await load(disabled)).toEqual(['@opentelemetry/api']);
    expect(await load({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint })).toEqual(
      expect.arrayContaining(['@opentelemetry/sdk-trace-base', '@opentelemetry/exporter-trace-otlp-http']),
    );
  });
});
