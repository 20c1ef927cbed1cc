import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { createClient } from 'redis';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { ApiClient } from '../support/api-client.js';
import { InstanceProcess } from '../support/instance-process.js';
import { OtlpCollector } from '../support/otlp-collector.js';
import { RedisServer } from '../support/redis-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const DEADLINE_MS = 30_000;

/** Every secret is a word of its own, so that a piece of one is found as well as the whole. */
const SECRETS = Object.fromEntries(
  [
    'text',
    'title',
    'metadataKey',
    'metadataValue',
    'brokenJson',
    'unknownField',
    'wrongValue',
    'path',
    'query',
    'rawRequest',
    'edited',
    'raised',
    'refused',
    'unique',
    'whileDown',
    'clientId',
    'serviceKey',
    'wrongKey',
    'jwtSecret',
    'wrongDatabasePassword',
    'databasePassword',
    'redisPassword',
    'wrongRedisPassword',
    'collectorKey',
  ].map((name) => [name, `secret${name}${randomBytes(12).toString('hex')}`]),
) as Record<string, string>;

const secret = (name: string): string => {
  const word = SECRETS[name];
  if (word === undefined) throw new Error(`There is no secret ${name}.`);
  return word;
};

describe('a session with all that goes well and wrong', () => {
  let database: TestDatabase;
  let collector: OtlpCollector;
  let redis: RedisServer;
  let proxy: TcpProxy;
  let instance: InstanceProcess;
  let said = '';
  const tokens: string[] = [];

  const hear = (more: string): void => void (said += more);
  const settings = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
    DATABASE_URL: databaseUrl(secret('databasePassword')),
    REDIS_URL: redisUrl(secret('redisPassword')),
    SHARED_CACHE: 'redis',
    AUTH_MODE: 'key,jwt',
    AUTH_KEYS: `test:${createHash('sha256').update(secret('serviceKey')).digest('hex')}`,
    AUTH_JWT_SECRET: secret('jwtSecret'),
    LOG_LEVEL: 'trace',
    LOG_SLOW_REQUEST_MS: '1',
    LOG_SLOW_SQL_MS: '1',
    MAX_TEXT_BYTES: '2048',
    COHERENCE_POLL_MS: '200',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${secret('collectorKey')}`,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    ...more,
  });
  const databaseUrl = (password: string): string =>
    `postgres://${role}:${password}@127.0.0.1:${proxy.port}${new URL(database.url).pathname}`;
  const redisUrl = (password: string): string => redis.url.replace('//', `//chats:${password}@`);
  const role = `role_${randomBytes(6).toString('hex')}`;

  beforeAll(async () => {
    database = await createTestDatabase();
    await database.query(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${secret('databasePassword')}'`);
    const { searchParams, port } = new URL(database.url);
    proxy = await TcpProxy.start(`${searchParams.get('host')}/.s.PGSQL.${port === '' ? '5432' : port}`);
    collector = await OtlpCollector.start();
    redis = await RedisServer.start('');
    const client = await createClient({ url: redis.url }).connect();
    await client.sendCommand(['ACL', 'SETUSER', 'chats', 'on', `>${secret('redisPassword')}`, '~*', '&*', '+@all']);
    client.destroy();
    instance = await InstanceProcess.start(settings(), hear);
  });
  afterAll(async () => {
    await instance?.kill();
    await redis?.stop();
    await collector?.stop();
    await proxy?.stop();
    await database?.query(`DROP ROLE ${role}`).catch(() => undefined);
    await database?.drop();
  });

  const token = async (key: string): Promise<string> => {
    const signed = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setSubject('ann').setExpirationTime('1h');
    const made = await signed.sign(new TextEncoder().encode(key));
    tokens.push(made, made.split('.')[2]!);
    return made;
  };

  it('says what happens, each time in one line of JSON', async () => {
    const api = new ApiClient(instance.url, undefined, secret('serviceKey'));
    const user = new ApiClient(instance.url, undefined, await token(secret('jwtSecret')));
    const statuses: Record<string, number> = {};
    const note = async (name: string, answer: Promise<{ readonly status: number }>): Promise<void> => {
      statuses[name] = (await answer).status;
    };

    // What goes well.
    const chat = await api.createChat({
      title: secret('title'),
      metadata: { [secret('metadataKey')]: secret('metadataValue') },
      participants: [{ userId: 'ann' }],
    });
    const messages = `/v1/chats/${chat.id}/messages`;
    const content = { text: secret('text'), metadata: { [secret('metadataKey')]: secret('metadataValue') } };
    await api.send(chat.id, { senderId: 'ann', clientId: secret('clientId'), ...content });
    await note('edit', api.patch(`${messages}/1`, { text: secret('edited') }));
    await note('page', user.get(messages));
    await note('inbox', user.get('/v1/users/ann/chats'));
    await note('changes', api.get(`/v1/chats/${chat.id}/changes?since=1`));

    // What is refused.
    const json = { 'content-type': 'application/json' };
    await note('brokenJson', api.request('POST', messages, `{"text": "${secret('brokenJson')}`, json));
    await note('unknownField', api.post(messages, { senderId: 'ann', text: 'x', [secret('unknownField')]: 1 }));
    await note('wrongValue', api.post(messages, { senderId: 'ann', text: [secret('wrongValue')] }));
    await note('conflict', api.post(messages, { senderId: 'ann', clientId: secret('clientId'), text: secret('text') }));
    await note('tooLong', api.post(messages, { senderId: 'ann', text: secret('text').repeat(100) }));
    await note('tooLarge', api.post(messages, { senderId: 'ann', text: secret('text').repeat(5000) }));
    await note('path', api.get(`/v1/chats/${secret('path')}`));
    await note('query', api.get(`${messages}?limit=${secret('query')}&access_token=${secret('query')}`));
    await note('mediaType', api.request('POST', messages, secret('text'), { 'content-type': 'text/plain' }));
    await note('wrongKey', new ApiClient(instance.url, undefined, secret('wrongKey')).get(messages));
    await note('wrongToken', new ApiClient(instance.url, undefined, await token(secret('wrongKey'))).get(messages));
    const socket = connect(Number(new URL(instance.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`${secret('rawRequest')}\r\nAuthorization: Bearer ${secret('rawRequest')}\r\n\r\n`);
    expect(await text(socket)).toContain('400');

    // What the database refuses, in words that hold the row.
    await database.query(`ALTER TABLE message ADD CONSTRAINT nothing_bad CHECK (text <> '${secret('refused')}')`);
    await database.query(`CREATE UNIQUE INDEX once ON message (text) WHERE text LIKE 'secretunique%'`);
    await database.query(`CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'not %', NEW.text USING ERRCODE = 'check_violation', DETAIL = NEW.text, HINT = NEW.text; END $$`);
    await database.query(`CREATE TRIGGER tell BEFORE INSERT ON message FOR EACH ROW
      WHEN (NEW.text LIKE 'secretraised%') EXECUTE FUNCTION tell()`);
    await database.query(`CREATE FUNCTION misread() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      PERFORM NEW.text::int; RETURN NEW; END $$`);
    await database.query(`CREATE TRIGGER misread BEFORE INSERT ON message FOR EACH ROW
      WHEN (NEW.text LIKE 'misread secret%') EXECUTE FUNCTION misread()`);
    for (const name of ['refused', 'raised'])
      await note(name, api.post(messages, { senderId: 'ann', text: secret(name) }));
    await note('unique', api.post(messages, { senderId: 'ann', text: secret('unique') }));
    await note('again', api.post(messages, { senderId: 'ann', text: secret('unique') }));
    await note('misread', api.post(messages, { senderId: 'ann', text: `misread ${secret('text')}` }));

    // What is away.
    proxy.refuse();
    await note('databaseDown', api.post(messages, { senderId: 'ann', text: secret('whileDown') }));
    await waitUntil(() => said.includes('Cannot look for changes'), DEADLINE_MS);
    proxy.thaw();
    await redis.kill();
    const isBack = async (): Promise<boolean> =>
      (await api.post(messages, { senderId: 'ann', text: `${secret('whileDown')}, later` })).status === 201;
    expect(await waitUntil(isBack, DEADLINE_MS)).toBe(true);
    await waitUntil(() => said.includes('The bus (redis) does not work'), DEADLINE_MS);

    expect(statuses).toEqual({
      edit: 200,
      page: 200,
      inbox: 200,
      changes: 200,
      brokenJson: 400,
      unknownField: 400,
      wrongValue: 400,
      conflict: 409,
      tooLong: 400,
      tooLarge: 413,
      path: 400,
      query: 400,
      mediaType: 415,
      wrongKey: 401,
      wrongToken: 401,
      refused: 500,
      raised: 500,
      unique: 201,
      again: 500,
      misread: 500,
      databaseDown: 503,
    });
    await instance.stop();
    expect(instance.ended).toBe(0);
    const lines = said.trimEnd().split('\n');
    const events = new Set<string>();
    for (const line of lines) {
      const { time, level, context, message, event } = JSON.parse(line) as Record<string, unknown>;
      expect([typeof time, typeof level, typeof context, typeof message]).toEqual(Array(4).fill('string'));
      if (typeof event === 'string') events.add(event);
    }
    expect([...events]).toEqual(expect.arrayContaining(['slow_request', 'slow_sql', 'request_failed']));
    expect(said).toContain('"constraint":"nothing_bad"');
    expect(said).toContain('"errorCode":"22P02"');
  });

  it('and that it cannot start', async () => {
    const fails = (more: Readonly<Record<string, string>>): Promise<unknown> =>
      InstanceProcess.start(settings({ COHERENCE_BUS: 'none', SHARED_CACHE: 'off', ...more }), hear).then(
        () => Promise.reject(new Error('It was expected not to start.')),
        (error: unknown) => error,
      );
    const wrong = await fails({ DATABASE_URL: databaseUrl(secret('wrongDatabasePassword')) });
    expect(String(wrong)).toMatch(/password authentication failed/);
    // A password that is not percent-encoded, and one that makes the address unreadable.
    await fails({ DATABASE_URL: databaseUrl(`${secret('databasePassword')}%zz`) });
    await fails({ DATABASE_URL: `postgres://${role}:${secret('databasePassword')}@[nowhere/db` });
    await fails({ DATABASE_URL: `mysql://${role}:${secret('databasePassword')}@127.0.0.1/db` });
    await fails({ AUTH_KEYS: secret('serviceKey') });
    await fails({ OTEL_EXPORTER_OTLP_ENDPOINT: `ftp://collector:${secret('collectorKey')}@127.0.0.1` });
  });

  it('without a word of what users wrote, of what they prove who they are with, or of a password', () => {
    expect(said.length).toBeGreaterThan(20_000);
    expect(collector.bodies.length).toBeGreaterThan(0);
    const traces = collector.bodies.join('\n');
    for (const [name, word] of [...Object.entries(SECRETS), ...tokens.map((each) => ['token', each] as const)]) {
      const leaks = [...said.split('\n'), ...traces.split('\n')].filter((line) => line.includes(word));
      expect({ name, leaks }).toEqual({ name, leaks: [] });
    }
  });
});
