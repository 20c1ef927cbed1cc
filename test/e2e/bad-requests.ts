/** A request that must be refused. `{chat}` in a path or body is the id of a chat with two messages of `ann`. */
export interface BadRequest {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** 400 unless given. */
  readonly status?: number;
  /** `invalid_input` unless given. */
  readonly code?: string;
  /** The fields that the answer names. */
  readonly fields?: readonly string[];
}

const CHAT = '/v1/chats/{chat}';
const MESSAGES = `${CHAT}/messages`;
const NUL = 'a\u0000b';
const LONE = 'a\ud800b';

/** Every route that takes a body: how it is called, a body that is right, and the path to it. */
export const BODY_ROUTES = [
  { method: 'POST', path: '/v1/chats', good: { title: 'x' } },
  { method: 'PATCH', path: CHAT, good: { title: 'x' } },
  { method: 'PUT', path: `${CHAT}/participants/new`, good: { role: 'member' } },
  { method: 'PUT', path: `${CHAT}/read`, good: { seq: 1 } },
  { method: 'POST', path: MESSAGES, good: { text: 'x' } },
  { method: 'PATCH', path: `${MESSAGES}/1`, good: { text: 'y' } },
  { method: 'POST', path: '/v1/messages/latest', good: { chatIds: ['{chat}'], limit: 1 } },
] as const;

/** What no route with a body may accept as one. */
export const BAD_BODIES: readonly (Omit<BadRequest, 'method' | 'path'> & { readonly of: (good: object) => unknown })[] =
  [
    { name: 'no JSON', of: () => '{"text":', code: 'invalid_json' },
    { name: 'words', of: () => 'hello', code: 'invalid_json' },
    { name: 'JSON and more', of: (good) => `${JSON.stringify(good)} {}`, code: 'invalid_json' },
    { name: 'JSON with a byte order mark', of: (good) => `\ufeff${JSON.stringify(good)}`, code: 'invalid_json' },
    { name: 'UTF-16', of: (good) => Buffer.from(JSON.stringify(good), 'utf16le'), code: 'invalid_json' },
    { name: 'broken UTF-8', of: () => Buffer.from('{"text":"\xff"}', 'latin1'), code: 'invalid_json' },
    { name: 'overlong UTF-8', of: () => Buffer.from('{"text":"\xc0\x80"}', 'latin1'), code: 'invalid_json' },
    { name: 'a surrogate in UTF-8', of: () => Buffer.from('{"text":"\xed\xa0\x80"}', 'latin1'), code: 'invalid_json' },
    { name: 'null', of: () => 'null', fields: ['body'] },
    { name: 'a text', of: () => '"text"', fields: ['body'] },
    { name: 'a number', of: () => '5', fields: ['body'] },
    { name: 'an array', of: (good) => [good], fields: ['body'] },
    { name: 'an unknown field', of: (good) => ({ ...good, extra: 1 }), fields: ['extra'] },
    { name: 'two unknown fields', of: (good) => ({ ...good, one: 1, two: null }), fields: ['one', 'two'] },
    {
      name: '__proto__',
      of: (good) => JSON.stringify(good).replace('{', '{"__proto__":{"role":"owner"},'),
      fields: ['__proto__'],
    },
    { name: 'constructor', of: (good) => ({ ...good, constructor: { prototype: {} } }), fields: ['constructor'] },
    { name: '1000 arrays in one another', of: () => `{"metadata":{"a":${'['.repeat(1000)}${']'.repeat(1000)}}}` },
    { name: '30000 arrays in one another', of: () => '['.repeat(30_000) + ']'.repeat(30_000) },
    {
      name: 'a form',
      of: () => 'text=hi',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      name: 'plain text',
      of: (good) => JSON.stringify(good),
      headers: { 'content-type': 'text/plain' },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      name: 'XML',
      of: () => '<text/>',
      headers: { 'content-type': 'application/xml' },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      name: 'a broken content type',
      of: (good) => JSON.stringify(good),
      headers: { 'content-type': 'json' },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      name: 'compressed',
      of: (good) => JSON.stringify(good),
      headers: { 'content-encoding': 'gzip', 'content-type': 'application/gzip' },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      name: '64 KiB and a byte',
      of: () => `"${'x'.repeat(65_535)}"`,
      status: 413,
      code: 'body_too_large',
      fields: ['body'],
    },
    {
      name: '20000 emoji',
      of: () => ({ text: '🦀'.repeat(20_000) }),
      status: 413,
      code: 'body_too_large',
      fields: ['body'],
    },
  ];

const post = (name: string, body: unknown, ...fields: string[]): BadRequest => ({
  name,
  method: 'POST',
  path: MESSAGES,
  body,
  fields,
});
const create = (name: string, body: unknown, ...fields: string[]): BadRequest => ({
  name,
  method: 'POST',
  path: '/v1/chats',
  body,
  fields,
});
const other = (method: string, path: string, name: string, body: unknown, ...fields: string[]): BadRequest => ({
  name,
  method,
  path,
  body,
  fields,
});

/** Fields with values that they may not have. */
export const BAD_FIELDS: readonly BadRequest[] = [
  post('no text', {}, 'text'),
  post('an empty text', { text: '' }, 'text'),
  ...[null, 5, true, [], {}].map((text) => post(`the text ${JSON.stringify(text)}`, { text }, 'text')),
  post('NUL in the text', { text: NUL }, 'text'),
  post('a lone high surrogate', { text: LONE }, 'text'),
  post('a lone low surrogate', { text: '\udc00' }, 'text'),
  post('surrogates the wrong way round', { text: '\udc00\ud800' }, 'text'),
  post('a byte too many', { text: 'x'.repeat(16_385) }, 'text'),
  post('a byte too many in the last character', { text: `${'é'.repeat(8191)}€` }, 'text'),
  post('5000 emoji', { text: '🦀'.repeat(5000) }, 'text'),
  ...['', 'x'.repeat(129), '🦀'.repeat(129), 'a\nb', 'a\u0085b', '\u007f', NUL, LONE, 5, null].flatMap((id) =>
    ['clientId', 'senderId'].map((field) =>
      post(`${field} ${JSON.stringify(id).slice(0, 20)}`, { text: 'x', [field]: id }, field),
    ),
  ),
  ...['SYSTEM', 'bot', '', null, 1].map((kind) =>
    post(`the kind ${JSON.stringify(kind)}`, { text: 'x', kind }, 'kind'),
  ),
  ...[0, -1, 1.5, '1', null, 9_007_199_254_740_992, 1e300].map((replyTo) =>
    post(`a reply to ${JSON.stringify(replyTo)}`, { text: 'x', replyTo }, 'replyTo'),
  ),
  post('a reply to 2^53 + 1', '{"text":"x","replyTo":9007199254740993}', 'replyTo'),
  post(
    'another control character in a key of metadata',
    { text: 'x', metadata: { 'a\nb': NUL } },
    'metadata.a\\u000ab',
  ),
  post('a control character in an unknown field', { text: 'x', 'a\u001bb': 1 }, 'a\\u001bb'),
  post('a reply to 1e400', '{"text":"x","replyTo":1e400}', 'replyTo'),
  ...[
    ...[
      '',
      'yesterday',
      '2020-01-01',
      '2020-01-01T00:00:00',
      '2020-01-01 00:00:00Z',
      '2020-02-30T00:00:00Z',
      '2021-02-29T00:00:00Z',
    ],
    ...[
      '1900-02-29T00:00:00Z',
      '2020-13-01T00:00:00Z',
      '2020-00-01T00:00:00Z',
      '2020-01-00T00:00:00Z',
      '2020-04-31T00:00:00Z',
    ],
    ...[
      '2020-01-01T24:00:00Z',
      '2020-01-01T23:60:00Z',
      '2020-01-01T23:59:60Z',
      '2020-01-01T00:00:00+24:00',
      '2020-01-01T00:00:00+0200',
    ],
    ...[
      '10000-01-01T00:00:00Z',
      '+010000-01-01T00:00:00Z',
      '-000001-01-01T00:00:00Z',
      '1969-12-31T23:59:59Z',
      '0000-01-01T00:00:00Z',
    ],
    ...[
      '9999-12-31T23:59:59-00:01',
      '1970-01-01T00:00:00+00:01',
      '2020-01-01T00:00:00.Z',
      '２０２０-01-01T00:00:00Z',
      1577836800000,
      null,
    ],
  ].map((createdAt) => post(`the time ${JSON.stringify(createdAt)}`, { text: 'x', createdAt }, 'createdAt')),
  ...[null, [], 'x', 5].map((metadata) =>
    post(`the metadata ${JSON.stringify(metadata)}`, { text: 'x', metadata }, 'metadata'),
  ),
  post('NUL in metadata', { text: 'x', metadata: { a: [NUL] } }, 'metadata.a[0]'),
  post('NUL in a key of metadata', { text: 'x', metadata: { [NUL]: 1 } }, 'metadata.a\\u0000b'),
  post('a lone surrogate in metadata', { text: 'x', metadata: { a: { b: LONE } } }, 'metadata.a.b'),
  post('a lone surrogate in a key of metadata', { text: 'x', metadata: { [LONE]: 1 } }, 'metadata.a\\ud800b'),
  post('2^53 in metadata', '{"text":"x","metadata":{"n":9007199254740992}}', 'metadata.n'),
  post('-2^53 - 1 in metadata', '{"text":"x","metadata":{"n":[-9007199254740993]}}', 'metadata.n[0]'),
  post('1e400 in metadata', '{"text":"x","metadata":{"n":1e400}}', 'metadata.n'),
  ...['__proto__', 'constructor', 'prototype'].flatMap((key) => [
    post(`${key} in metadata`, `{"text":"x","metadata":{"${key}":{"a":1}}}`, `metadata.${key}`),
    post(`${key} deep in metadata`, `{"text":"x","metadata":{"a":[{"${key}":1}]}}`, `metadata.a[0].${key}`),
  ]),
  post('17 KiB of metadata', { text: 'x', metadata: { a: 'x'.repeat(17_000) } }, 'metadata'),
  ...['1', '', 'not-a-uuid', '{chat}x', 'g0000000-0000-4000-8000-000000000000', 5, null].map((id) =>
    create(`the id ${JSON.stringify(id)}`, { id }, 'id'),
  ),
  ...['dm', '', null].map((kind) => create(`the kind ${JSON.stringify(kind)}`, { kind }, 'kind')),
  ...[NUL, LONE, '', 'x'.repeat(501), 5, []].map((title) =>
    create(`the title ${JSON.stringify(title).slice(0, 20)}`, { title }, 'title'),
  ),
  create('participants that are no list', { participants: { userId: 'ann' } }, 'participants'),
  create('a participant who is a text', { participants: ['ann'] }, 'participants[0]'),
  create('a participant without an id', { participants: [{ role: 'owner' }] }, 'participants[0].userId'),
  create(
    'the role of a king',
    { participants: [{ userId: 'ann' }, { userId: 'ben', role: 'king' }] },
    'participants[1].role',
  ),
  create(
    'a participant twice',
    { participants: [{ userId: 'ann' }, { userId: 'ann', role: 'owner' }] },
    'participants',
  ),
  create(
    'an unknown field of a participant',
    { participants: [{ userId: 'ann', lastReadSeq: 5 }] },
    'participants[0].lastReadSeq',
  ),
  ...['', 'x'.repeat(129), 'a\u0000b', 'a\tb', LONE].map((userId) =>
    create(`the user ${JSON.stringify(userId).slice(0, 20)}`, { participants: [{ userId }] }, 'participants[0].userId'),
  ),
  other('PATCH', CHAT, 'nothing', {}, 'body'),
  other('PATCH', CHAT, 'what cannot be changed', { title: 'x', kind: 'channel', id: '{chat}' }, 'kind', 'id'),
  other('PATCH', CHAT, 'no metadata', { metadata: null }, 'metadata'),
  other('PATCH', CHAT, 'NUL in the title', { title: NUL }, 'title'),
  other('PATCH', `${MESSAGES}/1`, 'nothing', {}, 'body'),
  other('PATCH', `${MESSAGES}/1`, 'an empty text', { text: '' }, 'text'),
  other('PATCH', `${MESSAGES}/1`, 'a byte too many', { text: 'x'.repeat(16_385) }, 'text'),
  other('PATCH', `${MESSAGES}/1`, 'NUL in the text', { text: NUL }, 'text'),
  other('PATCH', `${MESSAGES}/1`, 'what cannot be changed', { text: 'x', senderId: 'ben' }, 'senderId'),
  other('PUT', `${CHAT}/participants/new`, 'the role of a king', { role: 'king' }, 'role'),
  other('PUT', `${CHAT}/participants/new`, 'another user', { userId: 'other' }, 'userId'),
  ...[undefined, null, -1, 1.5, '1', 9_007_199_254_740_992].map((seq) =>
    other('PUT', `${CHAT}/read`, `seq ${JSON.stringify(seq)}`, { seq }, 'seq'),
  ),
  other('POST', '/v1/messages/latest', 'no chats', { limit: 5 }, 'chatIds'),
  other('POST', '/v1/messages/latest', 'an empty list', { chatIds: [], limit: 5 }, 'chatIds'),
  other(
    'POST',
    '/v1/messages/latest',
    '201 chats',
    { chatIds: Array<string>(201).fill('{chat}'), limit: 5 },
    'chatIds',
  ),
  other('POST', '/v1/messages/latest', 'an id that is none', { chatIds: ['{chat}', 'x'], limit: 5 }, 'chatIds[1]'),
  ...[0, 201, -1, 1.5, '5', null].map((limit) =>
    other('POST', '/v1/messages/latest', `limit ${JSON.stringify(limit)}`, { chatIds: ['{chat}'], limit }, 'limit'),
  ),
];
