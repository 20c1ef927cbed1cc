import fc from 'fast-check';
import { operationsOf, type OpenApi, type Operation } from '../support/openapi.js';
import { anyString, brokenValue, validValue } from './schema-arbitrary.js';

/** A request as it goes to the server. */
export interface AbuseRequest {
  /** `METHOD /path/{parameter}`, as the document names it. */
  readonly operation: string;
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** What requests may meet: without them all would end at 404. */
export interface Inhabitants {
  readonly chatIds: readonly string[];
  readonly userIds: readonly string[];
  /** Values of `Authorization`, good ones and others. */
  readonly credentials: readonly string[];
}

const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Requests of every operation of a document: right, wrong in one place, and wrong everywhere. */
export function anyRequest(document: OpenApi, inhabitants: Inhabitants): fc.Arbitrary<AbuseRequest> {
  const known = (name: string): fc.Arbitrary<unknown> | undefined => knownValue(name, inhabitants);
  const operations = [...operationsOf(document)];
  return fc.oneof(...operations.map(([name, operation]) => requestOf(document, name, operation, inhabitants, known)));
}

function knownValue(name: string, { chatIds, userIds }: Inhabitants): fc.Arbitrary<unknown> | undefined {
  switch (name) {
    case 'chatId':
      return fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...chatIds) }, { weight: 1, arbitrary: fc.uuid() });
    case 'userId':
    case 'senderId':
      return fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom(...userIds) },
        { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) },
      );
    case 'clientId':
      return fc.nat(50).map((id) => `client-${id}`);
    case 'seq':
    case 'replyTo':
      return fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 1, max: 10 }) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }) },
      );
    case 'before':
    case 'after':
    case 'since':
    case 'limit':
      return fc.integer({ min: 0, max: 220 }).map(String);
    case 'Min-Chat-Version':
      return fc.oneof({ weight: 19, arbitrary: fc.nat(10) }, { weight: 1, arbitrary: fc.nat(1000) });
    case 'If-None-Match':
      return fc.nat(40).map((version) => `"v${version}"`);
    case 'emoji':
      return fc.constantFrom('👍', '❤️', '🏳️‍🌈', ':party:');
    default:
      return undefined;
  }
}

function requestOf(
  document: OpenApi,
  name: string,
  operation: Operation,
  { userIds, credentials }: Inhabitants,
  known: (name: string) => fc.Arbitrary<unknown> | undefined,
): fc.Arbitrary<AbuseRequest> {
  const [method, template] = name.split(' ') as [string, string];
  const parameters = operation.parameters ?? [];
  const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const valid = schema === undefined ? undefined : validValue(document, schema, known);
  /** Mostly right, so that what is wrong elsewhere is what is found. */
  const mostly = (right: fc.Arbitrary<unknown>): fc.Arbitrary<string> =>
    fc.oneof({ weight: 8, arbitrary: right.map(String) }, { weight: 1, arbitrary: anyString });
  const inPlace = (place: string): fc.Arbitrary<Record<string, string>> =>
    fc.record(
      Object.fromEntries(
        parameters
          .filter((parameter) => parameter.in === place && !/^x-user-id$/i.test(parameter.name))
          .map((parameter) => [parameter.name, mostly(validValue(document, parameter.schema, known, parameter.name))]),
      ),
      {
        requiredKeys:
          place === 'path' ? parameters.filter((parameter) => parameter.in === place).map(({ name: key }) => key) : [],
      },
    );
  const body: fc.Arbitrary<string | undefined> =
    valid === undefined
      ? fc.oneof({ weight: 12, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.json() })
      : fc.oneof(
          { weight: 6, arbitrary: valid.map((value) => JSON.stringify(value)) },
          { weight: 3, arbitrary: brokenValue(valid).map((value) => JSON.stringify(value)) },
          { weight: 1, arbitrary: anyString },
          { weight: 1, arbitrary: fc.constant(undefined) },
        );
  const oddMethod = fc.constantFrom('HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'PUT', 'DELETE');
  const oddPath = fc.constantFrom(
    '',
    '/',
    '/..',
    '//',
    '/%',
    '/%ff',
    '/%2e%2e',
    '?',
    '?a=%',
    '?__proto__=1',
    '?limit=1&limit=2',
    '#x',
  );
  const userId = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...userIds) }, { weight: 1, arbitrary: anyString });
  return fc
    .record({
      path: inPlace('path'),
      query: inPlace('query'),
      header: inPlace('header'),
      authorization: fc.option(fc.constantFrom(...credentials), { freq: 20, nil: undefined }),
      userId: fc.option(userId, { freq: 2, nil: undefined }),
      contentType: fc.oneof(
        { weight: 20, arbitrary: fc.constant('application/json') },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            'text/plain',
            'application/json; charset=latin1',
            'multipart/form-data',
            '',
            'a/b; c="',
          ),
        },
      ),
      method: fc.oneof({ weight: 30, arbitrary: fc.constant(method) }, { weight: 1, arbitrary: oddMethod }),
      suffix: fc.oneof({ weight: 30, arbitrary: fc.constant('') }, { weight: 1, arbitrary: oddPath }),
      body,
    })
    .map((parts) => {
      const query = Object.entries(parts.query).map(([key, value]) => `${encode(key)}=${encode(value)}`);
      const path = template.replace(/\{(\w+)\}/g, (_match, key: string) => encode(parts.path[key]!)) + parts.suffix;
      const headers: Record<string, string | undefined> = {
        ...parts.header,
        authorization: parts.authorization,
        'x-user-id': parts.userId,
        'content-type': parts.body === undefined ? undefined : parts.contentType,
      };
      return {
        operation: name,
        method: parts.method,
        path: query.length === 0 ? path : `${path}${path.includes('?') ? '&' : '?'}${query.join('&')}`,
        headers: Object.fromEntries(
          Object.entries(headers).filter(
            (entry): entry is [string, string] => entry[1] !== undefined && HEADER_VALUE.test(entry[1]),
          ),
        ),
        body: parts.body,
      };
    });
}

/** Percent-encodes a value; lone surrogates as the bytes that a careless client makes of them. */
function encode(value: string): string {
  return value.isWellFormed() ? encodeURIComponent(value) : '%ED%A0%80';
}
