import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Poller } from '../../src/cache/coherence/poller.js';
import type { WireChat } from '../../src/cache/wire-types.js';
import { Database } from '../../src/storage/database.js';
import { exportTo } from '../../src/transfer/exporter.js';
import { Importer, type ImportOptions, type ImportReport } from '../../src/transfer/importer.js';
import { Purger } from '../../src/transfer/purger.js';
import { ChatReplica } from '../e2e/chat-replica.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const FILES = ['users.jsonl', 'chats.jsonl', 'messages.jsonl'];
const CHATS = ['{"id":"a","created_at":0}', '{"id":"b","created_at":0}'];

type Lines = readonly (string | Buffer)[];

/** A line of a message; its text is its seq. */
const line = (chat: string, seq: number, more = ''): string =>
  `{"chat":"${chat}","seq":${seq},"user":"ann","ts":${seq},"text":"${seq}"${more}}`;

describe('an import of files with faults', () => {
  let folder: string;
  const running: TestInstance[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrollback-faults-'));
  });
  afterAll(async () => {
    for (const instance of running) await instance.close();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (): Promise<TestInstance> => {
    const instance = await startTestInstance();
    running.push(instance);
    return instance;
  };
  const database = (instance: TestInstance): Database => instance.instance.app.get(Database);
  const bytesOf = (lines: Lines): Buffer =>
    Buffer.concat(lines.flatMap((each) => [Buffer.isBuffer(each) ? each : Buffer.from(each), Buffer.from('\n')]));

  /** Imports files of these lines, and tells what came of it with what was refused. */
  async function importLines(
    instance: TestInstance,
    files: { readonly users?: Lines; readonly chats?: Lines; readonly messages: Lines },
    options: ImportOptions = {},
  ): Promise<ImportReport & { readonly reasons: string[] }> {
    const from = await mkdtemp(join(folder, 'in-'));
    if (files.users !== undefined) await writeFile(join(from, 'users.jsonl'), bytesOf(files.users));
    await writeFile(join(from, 'chats.jsonl'), bytesOf(files.chats ?? CHATS));
    await writeFile(join(from, 'messages.jsonl'), bytesOf(files.messages));
    return importFrom(instance, from, options);
  }
  async function importFrom(
    instance: TestInstance,
    from: string,
    options: ImportOptions = {},
  ): Promise<ImportReport & { readonly reasons: string[] }> {
    const reasons: string[] = [];
    const onRefused = (file: string, lineNumber: number, reason: string): void =>
      void reasons.push(`${file.slice(file.lastIndexOf('/') + 1)}:${lineNumber}: ${reason}`);
    const report = await new Importer(database(instance), { onRefused }, options).run(from);
    return { ...report, reasons };
  }
  /** The seqs of the chats `a` and `b`, told apart by who is there. */
  const seqsOf = async (instance: TestInstance): Promise<Record<string, number[]>> => {
    const rows = await instance.database.query<{ title: string; seqs: string[] }>(
      `SELECT c.metadata->>'name' AS title, array_agg(m.seq ORDER BY m.seq) AS seqs
       FROM message m JOIN chat c ON c.id = m.chat_id GROUP BY c.id, 1 ORDER BY 1`,
    );
    return Object.fromEntries(rows.map(({ title, seqs }) => [title, seqs.map(Number)]));
  };
  const NAMED = CHATS.map((chat) => chat.replace(/"id":"(.)"/, '"id":"$1","name":"$1"'));

  describe('with a line that is refused', () => {
    /** A line in place of `a`'s seq 3, and what is said of it. */
    const BAD: readonly (readonly [name: string, bad: string | Buffer, reason: string])[] = [
      ['no JSON', '{"chat":"a","seq":3,', 'is not JSON'],
      ['no object', '[]', 'is not a JSON object'],
      ['a text that cannot be stored', line('a', 3, ',"text":"\\u0000"'), 'text: must not contain NUL (U+0000)'],
      ['a reply to what comes later', line('a', 3, ',"reply_to":9'), 'reply_to: there is no message 9 before it'],
      ['bytes that are not UTF-8', Buffer.from(line('a', 3, ',"x":"\xff"'), 'latin1'), 'is not UTF-8'],
      ['a chat that is not there', line('A', 3), 'chat: is not in chats.jsonl'],
      ['the seq of another', line('a', 2, ',"user":"ben"'), 'seq: 2 of this chat is another message already'],
      ['a seq that is none', line('a', 3, ',"seq":"3"'), 'seq: must be a whole number from 1 to 2^50'],
      [
        'the client id of another',
        line('a', 3, ',"client_id":"c"'),
        'client_id: belongs to another message of this sender',
      ],
    ];

    it.each(BAD)('loses that line alone: %s', async (_name, bad, reason) => {
      const instance = await start();
      const good = (mended: string | Buffer): Lines => [
        line('a', 1, ',"client_id":"c"'),
        line('b', 1),
        line('a', 2),
        mended,
        line('a', 4, ',"reply_to":2'),
        line('b', 2),
        line('a', 5, ',"reply_to":3'),
      ];
      const first = await importLines(instance, { chats: NAMED, messages: good(bad) });
      expect(first).toMatchObject({ messages: 6, refused: 1, reasons: [`messages.jsonl:4: ${reason}`] });
      expect(await seqsOf(instance)).toEqual({ a: [1, 2, 4, 5], b: [1, 2] });

      const again = await importLines(instance, { chats: NAMED, messages: good(bad) });
      expect(again).toMatchObject({ messages: 0, present: 6, refused: 1 });
      const mended = await importLines(instance, { chats: NAMED, messages: good(line('a', 3)) });
      expect(mended).toMatchObject({ chats: 0, messages: 1, present: 6, refused: 0 });
      expect(await seqsOf(instance)).toEqual({ a: [1, 2, 3, 4, 5], b: [1, 2] });
      const once = await importLines(instance, { chats: NAMED, messages: good(line('a', 3)) });
      expect(once).toMatchObject({ messages: 0, present: 7, refused: 0 });
    });

    it('keeps what is behind it in order, whatever the order of the file', async () => {
      const instance = await start();
      const messages = [5, 4, 1, 2].map((seq) => line('a', seq));
      const report = await importLines(instance, { chats: NAMED, messages: [...messages, 'not a line'] });
      expect(report).toMatchObject({ messages: 4, reasons: ['messages.jsonl:5: is not JSON'] });
      expect(await seqsOf(instance)).toEqual({ a: [1, 2, 4, 5] });
    });

    it('gives the line to the hole of another chat when the message that was missing comes late', async () => {
      const instance = await start();
      const messages = ['not a line', line('a', 1), line('a', 3), line('a', 2), line('b', 1), line('b', 3)];
      expect(await importLines(instance, { chats: NAMED, messages })).toMatchObject({ messages: 5, refused: 1 });
      expect(await seqsOf(instance)).toEqual({ a: [1, 2, 3], b: [1, 3] });
    });

    it('goes on with what is in a later batch', async () => {
      const instance = await start();
      const messages = Array.from({ length: 12_000 }, (_each, at) => line(at % 2 === 0 ? 'a' : 'b', (at >> 1) + 1));
      for (const at of [0, 1, 5000, 5001, 9998, 9999]) messages[at] = `broken ${at}`;
      const report = await importLines(instance, { chats: NAMED, messages });
      expect(report).toMatchObject({ messages: 11_994, refused: 6 });
      const seqs = await seqsOf(instance);
      for (const chat of ['a', 'b']) {
        expect(seqs[chat]).toHaveLength(5997);
        expect([1, 2501, 5000].filter((seq) => seqs[chat]!.includes(seq))).toEqual([]);
        expect(seqs[chat]!.at(-1)).toBe(6000);
      }
    });

    it('exports the hole, imports that and exports the same bytes again', async () => {
      const first = await start();
      await importLines(first, { messages: [line('a', 1), '{', line('a', 3), line('b', 1)] });
      const one = await mkdtemp(join(folder, 'one-'));
      await exportTo(one, database(first));
      const second = await start();
      expect(await importFrom(second, one)).toMatchObject({ messages: 3, refused: 0 });
      const two = await mkdtemp(join(folder, 'two-'));
      await exportTo(two, database(second));
      for (const file of FILES)
        expect(await readFile(join(two, file), 'utf8')).toBe(await readFile(join(one, file), 'utf8'));
    });
  });

  describe('with a hole that no refused line explains', () => {
    it('refuses what is behind it, and says so once for the chat', async () => {
      const instance = await start();
      const messages = [1, 2, 4, 5, 6].map((seq) => line('a', seq));
      const report = await importLines(instance, { chats: NAMED, messages: [...messages, line('b', 1)] });
      expect(report).toMatchObject({ messages: 3, refused: 3 });
      expect(report.reasons).toEqual([
        'messages.jsonl:3: seq: 4 would leave a hole in the chat before it; so would the 2 messages of the chat that come after it',
      ]);
      expect(await seqsOf(instance)).toEqual({ a: [1, 2], b: [1] });
    });

    it('takes each refused line for one missing message', async () => {
      const instance = await start();
      const messages = ['{', '{', line('a', 1), line('a', 4), line('a', 6), line('b', 1), line('b', 3)];
      const report = await importLines(instance, { chats: NAMED, messages });
      expect(report.reasons).toHaveLength(4);
      expect(report).toMatchObject({ messages: 3, refused: 4 });
      expect(await seqsOf(instance)).toEqual({ a: [1, 4], b: [1] });
    });

    it('does not take a line for another place than the one it names', async () => {
      const instance = await start();
      const named = line('b', 2, ',"text":5');
      const messages = [named, line('a', 1), line('a', 3), line('b', 1), line('b', 3)];
      const { reasons } = await importLines(instance, { chats: NAMED, messages });
      expect(reasons).toEqual([
        'messages.jsonl:1: text: must be a text',
        'messages.jsonl:3: seq: 3 would leave a hole in the chat before it',
      ]);
      expect(await seqsOf(instance)).toEqual({ a: [1], b: [1, 3] });
    });
  });

  describe('that is mended and imported again', () => {
    it('shows the messages to readers who had the chat in memory, and tells clients to reload', async () => {
      const instance = await start();
      const { api } = instance;
      const of = (mended: boolean): Lines => [
        mended ? line('a', 1) : 'bad',
        line('a', 2),
        line('a', 3),
        mended ? line('a', 4) : 'bad',
        mended ? line('a', 5, ',"user":"ben"') : 'bad',
        line('a', 6),
      ];
      await importLines(instance, { messages: of(false) });
      await instance.instance.app.get(Poller).pollOnce();
      const { id } = (await api.inbox('ann')).items[0]!.chat;
      expect((await api.page(id)).items.map(({ seq }) => seq)).toEqual([2, 3, 6]);
      const sent = await api.send(id, { text: 'written meanwhile', senderId: 'ann' });
      expect(sent.seq).toBe(7);
      const before = await ChatReplica.load(api, id);

      expect(await importLines(instance, { messages: of(true) })).toMatchObject({
        messages: 3,
        present: 3,
        refused: 0,
      });
      await instance.instance.app.get(Poller).pollOnce();
      expect((await api.page(id)).items.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect((await api.get<WireChat>(`/v1/chats/${id}`)).body).toMatchObject({ lastSeq: 7, participantCount: 2 });
      expect((await api.get(`/v1/chats/${id}/changes?since=${before.version}`)).status).toBe(410);
      const replica = await ChatReplica.load(api, id);
      await api.send(id, { text: 'goes on', senderId: 'ben' });
      await replica.catchUp(api, id, 2);
      expect(replica.state).toEqual((await ChatReplica.load(api, id)).state);
    });

    it('can be mended line by line', async () => {
      const instance = await start();
      for (const through of [0, 1, 2, 3]) {
        const messages = [1, 2, 3, 4].map((seq) => (seq <= through || seq === 4 ? line('a', seq) : 'bad'));
        await importLines(instance, { chats: NAMED, messages });
        expect(await seqsOf(instance)).toEqual({ a: [...Array(through).keys()].map((at) => at + 1).concat(4) });
      }
    });

    it('brings nothing back that was purged', async () => {
      const instance = await start();
      const messages = [line('a', 1), 'bad', line('a', 3), line('a', 4, `,"ts":${Date.now()}`)];
      await importLines(instance, { messages });
      expect(await new Purger(database(instance)).run({ olderThanMs: 86_400_000 })).toMatchObject({ messages: 2 });
      const report = await importLines(instance, {
        messages: [...messages.slice(0, 1), line('a', 2), ...messages.slice(2)],
      });
      expect(report).toMatchObject({ messages: 0, present: 1, refused: 3 });
      expect(report.reasons).toEqual(
        [1, 2, 3].map((seq) => `messages.jsonl:${seq}: seq: ${seq} of this chat was deleted for good`),
      );
    });
  });

  describe('with text', () => {
    it('that is not UTF-8 refuses the line, in every file, plain and compressed', async () => {
      const broken = (text: string): Buffer => Buffer.from(text, 'latin1');
      const files = {
        users: ['{"id":"ann","name":"Ann"}', broken('{"id":"ben","name":"B\xe9n"}')],
        chats: [...CHATS, broken('{"id":"c","title":"\xc3","created_at":0}')],
        messages: [
          line('a', 1),
          broken('{"chat":"a","seq":2,"user":"ann","ts":1,"text":"\xed\xa0\x80"}'),
          line('a', 3),
        ],
      };
      const reasons = ['users.jsonl:2: is not UTF-8', 'chats.jsonl:3: is not UTF-8', 'messages.jsonl:2: is not UTF-8'];
      const plain = await start();
      expect(await importLines(plain, files)).toMatchObject({ users: 1, chats: 2, messages: 2, reasons });
      const from = await mkdtemp(join(folder, 'gz-'));
      for (const [name, lines] of Object.entries(files))
        await writeFile(join(from, `${name}.jsonl.gz`), gzipSync(bytesOf(lines)));
      const compressed = await importFrom(await start(), from);
      expect(compressed.reasons).toEqual(reasons.map((reason) => reason.replace('.jsonl', '.jsonl.gz')));
    });

    it('in several bytes a character is read as it is, wherever the parts that the file is read in end', async () => {
      const instance = await start();
      const text = '🦀é€'.repeat(1000);
      const messages = Array.from({ length: 200 }, (_each, at) =>
        line('a', at + 1, `,"text":"${'x'.repeat(at % 9)}${text}"`),
      );
      expect(await importLines(instance, { messages: [...messages, broken()] })).toMatchObject({
        messages: 200,
        reasons: ['messages.jsonl:201: is not UTF-8'],
      });
      const [row] = await instance.database.query<{ count: string }>(
        'SELECT count(*) FROM message WHERE ltrim(text, $1) <> $2',
        ['x', text],
      );
      expect(row!.count).toBe('0');

      function broken(): Buffer {
        return Buffer.from(line('a', 201).replace('"201"', '"\xf0\x9f"'), 'latin1');
      }
    });

    it('longer than MAX_TEXT_BYTES refuses the line', async () => {
      const instance = await start();
      const messages = ['x'.repeat(10), 'é'.repeat(5), 'x'.repeat(11), 'é'.repeat(5) + 'x', '€'.repeat(3)].map(
        (text, at) => line('a', at + 1, `,"text":"${text}"`),
      );
      const report = await importLines(instance, { chats: NAMED, messages }, { maxTextBytes: 10 });
      expect(report.reasons).toEqual(
        [3, 4].map((at) => `messages.jsonl:${at}: text: is 11 bytes of UTF-8; at most 10 are allowed (MAX_TEXT_BYTES)`),
      );
      expect(await seqsOf(instance)).toEqual({ a: [1, 2, 5] });
    });

    it('behind a byte order mark is read', async () => {
      const instance = await start();
      const files = { users: ['{"id":"ann","name":"A"}'], chats: CHATS, messages: [line('a', 1)] };
      const marked = Object.fromEntries(
        Object.entries(files).map(([name, lines]) => [name, [`\ufeff${lines[0]}`, ...lines.slice(1)]]),
      ) as unknown as typeof files;
      expect(await importLines(instance, marked)).toMatchObject({ users: 1, chats: 2, messages: 1, reasons: [] });
      const second = await importLines(instance, { messages: [line('a', 1), `\ufeff${line('a', 2)}`] });
      expect(second.reasons).toEqual(['messages.jsonl:2: is not JSON']);
    });
  });

  describe('with chats', () => {
    it('of one id and different content refuses all but the first', async () => {
      const instance = await start();
      const id = '01890a5d-ac96-774b-bcce-b302099a8057';
      const chats = [
        '{"id":1,"title":"one","created_at":0}',
        `{"id":"${id}","title":"two","created_at":0}`,
        '{"id":"1","created_at":0,"title":"one"}',
        '{"id":"1","title":"other","created_at":0}',
        `{"id":"${id.toUpperCase()}","title":"three","created_at":0,"last_seq":9}`,
      ];
      const report = await importLines(instance, { chats, messages: [line('1', 1)] });
      expect(report).toMatchObject({ chats: 2, messages: 1, refused: 2 });
      expect(report.reasons).toEqual([
        'chats.jsonl:4: the id is taken by line 1',
        'chats.jsonl:5: the id is taken by line 2',
      ]);
      const rows = await instance.database.query<{ title: string }>('SELECT title FROM chat ORDER BY title');
      expect(rows.map(({ title }) => title)).toEqual(['one', 'two']);
      expect((await instance.api.get<WireChat>(`/v1/chats/${id}`)).body.lastSeq).toBe(0);
    });

    it('without a kind makes them what the API makes of such, and of every kind that is not ours a channel', async () => {
      const instance = await start();
      const kinds = [
        '',
        ',"kind":null',
        ',"kind":"direct"',
        ',"kind":"topic"',
        ',"kind":""',
        ',"kind":5',
        ',"kind":{}',
      ];
      const chats = kinds.map((kind, at) => `{"id":"${at}","title":"${at}","created_at":0${kind}}`);
      expect(await importLines(instance, { chats, messages: [] })).toMatchObject({ chats: 7, refused: 0 });
      const rows = await instance.database.query<{ kind: string; said: unknown }>(
        `SELECT kind, metadata->'kind' AS said FROM chat ORDER BY title`,
      );
      const { kind: ofApi } = await instance.api.createChat();
      expect(rows.map(({ kind }) => kind)).toEqual([
        ofApi,
        ofApi,
        'direct',
        'channel',
        'channel',
        'channel',
        'channel',
      ]);
      expect(rows.slice(2).map(({ said }) => said)).toEqual([null, 'topic', '', 5, {}]);
    });

    it('without a time of creation gives them that of their first message, or of the import', async () => {
      const instance = await start();
      const chats = [
        '{"id":"a","title":"a"}',
        '{"id":"b","title":"b","created_at":null}',
        '{"id":"c","title":"c","created_at":"1999-01-01T00:00:00Z"}',
        '{"id":"d","title":"d","created_at":"yesterday"}',
      ];
      const messages = [line('a', 1, ',"ts":5000'), line('a', 2, ',"ts":4000'), line('c', 1, ',"ts":6000')];
      const report = await importLines(instance, { chats, messages });
      expect(report).toMatchObject({ chats: 3, messages: 3, refused: 1 });
      await importLines(instance, { chats, messages: [...messages, line('b', 1, ',"ts":1000')] });
      const rows = await instance.database.query<{ title: string; created_at: Date; updated_at: Date }>(
        'SELECT title, created_at, updated_at FROM chat ORDER BY title',
      );
      expect(rows[0]).toEqual({ title: 'a', created_at: new Date(5000), updated_at: new Date(5000) });
      expect(Math.abs(rows[1]!.created_at.getTime() - Date.now())).toBeLessThan(60_000);
      expect(rows[2]!.created_at).toEqual(new Date('1999-01-01T00:00:00Z'));
    });
  });
});
