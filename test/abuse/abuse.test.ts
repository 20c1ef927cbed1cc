import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { propertySeed } from '../support/property-seed.js';
import { AbuseSite, KEY } from './abuse-site.js';
import { AnswerJudge } from './answer-judge.js';
import { ATTACKS, openIdle, pipeline, sendAndStall, sendBytes, statusIn } from './raw-sockets.js';
import { floodWithRequests } from './request-flood.js';
import { anyStrings, throughTheApi } from './strings.js';

const REQUESTS = 2000;
const IDLE = 500;

describe('under abuse', () => {
  let database: TestDatabase;
  let site: AbuseSite;
  beforeAll(async () => {
    database = await createTestDatabase();
    site = await AbuseSite.start(database.url);
  });
  afterAll(async () => {
    await site.stop();
    await database.drop();
  });
  const isAlive = async (): Promise<boolean> => (await fetch(`${site.instance.url}/health/ready`)).status === 200;

  it('every request, right or wrong, gets an answer that the document describes', async () => {
    const document = await site.document();
    const inhabitants = (): ReturnType<AbuseSite['inhabit']> => site.inhabit();
    const report = await floodWithRequests(site.instance.url, document, {
      requests: REQUESTS,
      seed: propertySeed(),
      inhabitants,
    });
    expect(report.violations).toEqual([]);
    // All of it was reached, and not only refused.
    for (const [operation, { requests, good }] of Object.entries(report.operations)) {
      expect({ operation, requests: requests > 20, good: good > 0 }).toEqual({ operation, requests: true, good: true });
    }
    expect(Object.keys(report.operations)).toHaveLength(30);
    expect(Object.keys(report.statuses)).toEqual(
      expect.arrayContaining(['200', '201', '204', '400', '401', '403', '404', '409', '422']),
    );
    expect(await isAlive()).toBe(true);
  });

  it('an answer that the document does not describe would be noticed', async () => {
    const judge = new AnswerJudge(await site.document());
    const request = {
      operation: 'GET /v1/chats/{chatId}',
      method: 'GET',
      path: '/v1/chats/x',
      headers: {},
      body: undefined,
    };
    const json = { type: 'application/json; charset=utf-8', retryAfter: undefined };
    const problem = { type: 'application/problem+json; charset=utf-8', retryAfter: undefined };
    expect(judge.judge(request, { ...json, status: 200, body: '{"id":1}' })).toContain('does not match');
    expect(judge.judge(request, { ...json, status: 404, body: '{}' })).toContain('type');
    expect(judge.judge(request, { ...problem, status: 404, body: '{}' })).toContain('does not match');
    expect(judge.judge(request, { ...problem, status: 500, body: '' })).toContain('status 500');
    expect(judge.judge(request, { ...problem, status: 503, body: '' })).toContain('Retry-After');
    expect(judge.judge(request, { ...problem, status: 409, body: '{}' })).toContain('not in the document');
  });

  it.each(ATTACKS)('$what is refused, and the next request answered', async ({ bytes, statuses }) => {
    const answer = await sendBytes(site.instance.port, bytes);
    expect([...statuses, ...(statuses.length === 0 ? [undefined, 400, 401, 404] : [])]).toContain(statusIn(answer));
    expect(await isAlive()).toBe(true);
  });

  it('requests in a pipeline are answered in order, and one that smuggles another is not believed', async () => {
    const ok = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
    const missing = 'GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n';
    const many = Array.from({ length: 1000 }, (_value, at) => (at % 3 === 0 ? missing : ok));
    expect(await pipeline(site.instance.port, many)).toEqual(many.map((request) => (request === ok ? 200 : 404)));
    const smuggling =
      'POST /v1/chats HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    expect(await pipeline(site.instance.port, [smuggling, ok])).toEqual([400]);
  });

  it('who sends too slowly is told so, and their connection closed', async () => {
    const { port } = site.instance;
    const answers = await Promise.all([
      sendAndStall(port, 'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: '),
      sendAndStall(
        port,
        `POST /v1/chats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"title":"`,
      ),
      // Who cannot prove who they are is not waited for, and told so at once; what they still send is not looked at.
      sendAndStall(port, 'POST /v1/chats HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"title":"'),
      sendAndStall(port, ''),
    ]);
    expect(answers.map(statusIn)).toEqual([408, 408, 401, 408]);
    expect(await isAlive()).toBe(true);
  });

  it('connections that say nothing keep nobody else from being answered', async () => {
    const sockets = await openIdle(site.instance.port, IDLE);
    expect(await isAlive()).toBe(true);
    const { chatIds } = await site.inhabit();
    expect((await site.service.page(chatIds[0]!)).items).toHaveLength(8);
    sockets.forEach((socket) => socket.destroy());
  });

  it('what goes in comes out, byte for byte, in every place that takes a string', async () => {
    await fc.assert(
      fc.asyncProperty(anyStrings, async (strings) => {
        const { userId, otherUserId } = strings;
        fc.pre(userId !== otherUserId);
        expect(await throughTheApi(site.service, strings)).toEqual(strings);
      }),
      { numRuns: 60 },
    );
  });
});
