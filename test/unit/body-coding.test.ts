import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Fastify, { type FastifyInstance } from 'fastify';
import { refuseCodedBodies } from '../../src/http/body-coding.js';
import { problemOf } from '../../src/http/problem.js';

describe('a request', () => {
  let fastify: FastifyInstance;
  beforeAll(async () => {
    fastify = Fastify();
    refuseCodedBodies(fastify);
    fastify.setErrorHandler((error, _request, reply) => {
      const problem = problemOf(error);
      return reply.code(problem.status).send(problem);
    });
    for (const method of ['GET', 'POST', 'DELETE']) {
      fastify.route({ method, url: '/', handler: (request) => ({ body: request.body ?? null }) });
    }
    await fastify.ready();
  });
  afterAll(() => fastify.close());

  const JSON_TYPE = 'application/json';
  const send = (
    headers: Record<string, string>,
    payload: Buffer | string = '{"a":1}',
    method: 'POST' | 'GET' = 'POST',
  ) => fastify.inject({ method, url: '/', headers: { 'content-type': JSON_TYPE, ...headers }, payload });

  it.each(['gzip', 'GZIP', 'br', 'deflate', 'zstd', 'identity, gzip', 'made-up'])(
    'whose body is coded by %j is refused, and told what is taken',
    async (coding) => {
      const answer = await send({ 'content-encoding': coding }, gzipSync('{"a":1}'));
      expect(answer.statusCode).toBe(415);
      expect(answer.json()).toMatchObject({ code: 'unsupported_media_type' });
      expect(answer.headers['accept-encoding']).toBe('identity');
    },
  );

  it.each(['latin1', 'ISO-8859-1', '"utf-16"', 'us-ascii', 'utf-8-x', '""'])(
    'whose body is in the character set %s is refused',
    async (charset) => {
      for (const type of [`${JSON_TYPE};charset=${charset}`, `${JSON_TYPE} ; x=y; Charset=${charset}`]) {
        const answer = await send({ 'content-type': type });
        expect({ type, status: answer.statusCode }).toEqual({ type, status: 415 });
        expect(answer.json()).toMatchObject({ code: 'unsupported_media_type' });
      }
    },
  );

  it.each([
    [{}],
    [{ 'content-encoding': 'identity' }],
    [{ 'content-encoding': 'Identity, identity' }],
    [{ 'content-encoding': '' }],
    [{ 'content-type': `${JSON_TYPE}; charset=utf-8` }],
    [{ 'content-type': `${JSON_TYPE};charset="UTF-8"` }],
    [{ 'content-type': `${JSON_TYPE}; charset=utf8` }],
  ] as Record<string, string>[][])('with %j is read', async (headers) => {
    const answer = await send(headers!);
    expect({ status: answer.statusCode, body: answer.json() }).toEqual({ status: 200, body: { body: { a: 1 } } });
  });

  it('without a body, or whose body nobody reads, is let in whatever it says', async () => {
    const headers = { 'content-encoding': 'gzip' };
    expect((await fastify.inject({ method: 'DELETE', url: '/', headers })).statusCode).toBe(200);
    expect((await send(headers, '{}', 'GET')).statusCode).toBe(200);
  });
});
