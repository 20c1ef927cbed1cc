import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Poller } from '../../src/cache/coherence/poller.js';
import type { WireChat } from '../../src/cache/wire-types.js';
import { Database } from '../../src/storage/database.js';
import { exportTo } from '../../src/transfer/exporter.js';
import { generateConversations } from '../../src/transfer/generator.js';
import { Importer, type ImportReport } from '../../src/transfer/importer.js';
import { Purger } from '../../src/transfer/purger.js';
import { ChatReplica } from '../e2e/chat-replica.js';
import { conversationsFolder } from '../support/conversations.js';
import { checkRoundTrip, readConversations } from '../support/round-trip-check.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';

const FILES = ['users.jsonl', 'chats.jsonl', 'messages.jsonl'];
const SAMPLES = resolve('samples');

describe('import and export', () => {
  let folder: string;
  const running: TestInstance[] = [];

  const start = async (): Promise<TestInstance> => {
    const instance = await startTestInstance();
    running.push(instance);
    return instance;
  };
  const database = (instance: TestInstance): Database => instance.instance.app.get(Database);
  const importInto = (instance: TestInstance, from: string, refused: string[] = []): Promise<ImportReport> =>
    new Importer(database(instance), {
      onRefused: (file, line, reason) => refused.push(`${file.slice(file.lastIndexOf('/') + 1)}:${line}: ${reason}`),
    }).run(from);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrollback-transfer-'));
  });
  afterAll(async () => {
    for (const instance of running) await instance.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('gives every imported message back, paging both ways, and adds nothing twice', async () => {
    const from = await conversationsFolder();
    const instance = await start();
    const first = await importInto(instance, from);
    const conversations = await readConversations(from);
    expect(first.messages).toBe([...conversations.values()].reduce((sum, lines) => sum + lines.length, 0));
    expect(first.refused).toBe(0);

    const report = await checkRoundTrip(conversations, instance.api);
    expect(report.messages).toBe(first.messages);

    const second = await importInto(instance, from);
    expect(second).toEqual({ ...first, chats: 0, messages: 0, present: first.messages });
    const [holes] = await instance.database.query<{ count: string }>(
      `SELECT count(*) FROM chat_head h
       WHERE h.last_seq <> (SELECT count(*) FROM message m WHERE m.chat_id = h.chat_id)`,
    );
    expect(holes!.count).toBe('0');
  });

  it.each([
    ['the samples', async () => SAMPLES],
    [
      'made-up conversations',
      async () => {
        const made = join(folder, 'made');
        await generateConversations(made, { messages: 2000, seed: 7 });
        return made;
      },
    ],
  ])('exports %s, imports that and exports the same bytes again', async (_name, source) => {
    const first = await start();
    const second = await start();
    await importInto(first, await source());
    const one = await mkdtemp(join(folder, 'one-'));
    const two = await mkdtemp(join(folder, 'two-'));
    await exportTo(one, database(first));
    const report = await importInto(second, one);
    expect(report.refused).toBe(0);
    await exportTo(two, database(second));
    for (const file of FILES) {
      const bytes = await readFile(join(one, file), 'utf8');
      expect(bytes.length).toBeGreaterThan(0);
      expect(await readFile(join(two, file), 'utf8')).toBe(bytes);
    }
  });

  it('exports what was written through the API, with all that messages and chats can be', async () => {
    const first = await start();
    const { api } = first;
    const chat = await api.as('ann').createChat({
      title: 'Everything',
      metadata: { kind: 'odd', metadata: { deep: [1, null, 'x'] }, plain: true },
      participants: [{ userId: 'bob', role: 'readonly' }, { userId: 'gone' }],
    });
    await api.as('ann').send(chat.id, { text: 'one\ntwo', clientId: 'c-1', metadata: { text: 'hidden', n: 1.5 } });
    await api.as('ann').send(chat.id, { text: 'two', replyTo: 1 });
    await api.send(chat.id, { text: 'joined', senderId: 'system', kind: 'system' });
    await api.as('ann').patch(`/v1/chats/${chat.id}/messages/2`, { text: 'two, edited' });
    await api.as('bob').put(`/v1/chats/${chat.id}/messages/1/reactions/${encodeURIComponent('👩‍💻')}`);
    await api.as('ann').send(chat.id, { text: 'to be deleted' });
    await api.delete(`/v1/chats/${chat.id}/messages/4`);
    await api.as('bob').put(`/v1/chats/${chat.id}/read`, { seq: 2 });
    await api.delete(`/v1/chats/${chat.id}/participants/gone`);

    const second = await start();
    const one = await mkdtemp(join(folder, 'api-'));
    await exportTo(one, database(first));
    expect((await importInto(second, one)).refused).toBe(0);
    const withoutVersion = ({ version: _version, ...rest }: { version: number }): object => rest;
    expect(withoutVersion(await second.api.page(chat.id))).toEqual(withoutVersion(await api.page(chat.id)));
    const participants = `/v1/chats/${chat.id}/participants`;
    expect((await second.api.get(participants)).body).toEqual((await api.get(participants)).body);
    expect((await second.api.inbox('bob')).items[0]!.unread).toBe((await api.inbox('bob')).items[0]!.unread);
  });

  it('names bad lines by file and number, imports the rest, and orders messages by seq', async () => {
    const from = join(folder, 'bad');
    await mkdir(from);
    await writeFile(join(from, 'chats.jsonl'), '{"id":"a","kind":"room","created_at":0}\nnot json\n');
    await writeFile(
      join(from, 'messages.jsonl'),
      [
        '{"chat":"a","user":1,"ts":2,"text":"second","seq":2}',
        '{"chat":"a","user":1,"ts":1,"text":"first","seq":1}',
        '{"chat":"b","user":1,"ts":1,"text":"no such chat"}',
        '{"chat":"a","user":1,"ts":1,"text":"nul \\u0000"}',
        '{"chat":"a","user":1,"ts":"yesterday","text":"when?"}',
        '{"chat":"a","user":1,"ts":9,"text":"far","seq":9}',
        '{"chat":"a","user":2,"ts":3,"text":"no seq"}',
        '{"chat":"a","user":2,"ts":3,"text":"no seq"}',
        '{"chat":"a","user":2,"ts":3,"text":"reply","reply_to":70}',
      ].join('\n'),
    );
    const instance = await start();
    const refused: string[] = [];
    const report = await importInto(instance, from, refused);
    expect(report).toMatchObject({ chats: 1, messages: 4, refused: 6 });
    expect(refused.sort()).toEqual([
      'chats.jsonl:2: is not JSON',
      'messages.jsonl:3: chat: is not in chats.jsonl',
      'messages.jsonl:4: text: must not contain NUL (U+0000)',
      'messages.jsonl:5: ts: must be an RFC 3339 time or whole milliseconds, from 1970 to 9999',
      'messages.jsonl:6: seq: 9 would leave a hole in the chat before it',
      'messages.jsonl:9: reply_to: there is no message 70 before it',
    ]);
    const [chat] = (await instance.api.inbox('2')).items;
    expect(chat!.chat.metadata).toEqual({ kind: 'room' });
    const { items } = await instance.api.page(chat!.chat.id);
    expect(items.map(({ text }) => text)).toEqual(['first', 'second', 'no seq', 'no seq']);
    expect(await importInto(instance, from)).toMatchObject({ messages: 0, present: 4, refused: 6 });
  });

  /** Exports a database and imports that into a fresh one. */
  const copy = async (first: TestInstance): Promise<{ second: TestInstance; one: string }> => {
    const one = await mkdtemp(join(folder, 'purged-'));
    await exportTo(one, database(first));
    const second = await start();
    const refused: string[] = [];
    await importInto(second, one, refused);
    expect(refused).toEqual([]);
    return { second, one };
  };
  const expectSameExport = async (instance: TestInstance, one: string): Promise<void> => {
    const two = await mkdtemp(join(folder, 'purged-'));
    await exportTo(two, database(instance));
    for (const file of FILES)
      expect(await readFile(join(two, file), 'utf8')).toBe(await readFile(join(one, file), 'utf8'));
  };

  it('exports what purges have left, imports that and exports the same bytes again, with the same numbers', async () => {
    const first = await start();
    const { api } = first;
    const old = '2020-01-01T00:00:00Z';
    /** Messages that are to be purged at `true`. */
    const chatOf = async (line: readonly boolean[]): Promise<string> => {
      const { id } = await api.createChat({ participants: [{ userId: 'ann' }, { userId: 'bob' }] });
      for (const [at, isOld] of line.entries()) {
        const replyTo = at === 0 ? {} : { replyTo: at };
        await api.send(id, { text: `${at + 1}`, senderId: 'ann', ...replyTo, ...(isOld ? { createdAt: old } : {}) });
      }
      return id;
    };
    const begins = await chatOf([true, true, true, false, false, false]);
    const middle = await chatOf([false, true, true, false, true, false]);
    const ends = await chatOf([false, false, true, true]);
    const empty = await chatOf([true, true, true]);
    const whole = await chatOf([false, false]);
    const chats = [begins, middle, ends, empty, whole];
    for (const id of chats) await api.as('bob').put(`/v1/chats/${id}/read`, { seq: id === empty ? 3 : 2 });
    expect(await new Purger(database(first)).run({ olderThanMs: 86_400_000 })).toMatchObject({ messages: 11 });
    await first.instance.app.get(Poller).pollOnce();

    const { second, one } = await copy(first);
    await expectSameExport(second, one);
    expect(await importInto(second, one)).toMatchObject({ messages: 0, chats: 0, refused: 0 });
    await expectSameExport(second, one);

    const state = async ({ api: of }: TestInstance, id: string): Promise<object> => {
      const { version: _version, ...page } = await of.page(id);
      const { version: _chatVersion, ...chat } = (await of.get<WireChat>(`/v1/chats/${id}`)).body;
      const inbox = (await of.inbox('bob')).items.find((item) => item.chat.id === id)!;
      return { page, chat, unread: inbox.unread, lastReadSeq: inbox.lastReadSeq };
    };
    for (const id of chats) {
      expect(await state(second, id)).toEqual(await state(first, id));
      // A client that has nothing is told everything, and one that asked in between what came since.
      const replica = new ChatReplica();
      await replica.catchUp(second.api, id, 1);
      expect(replica.state).toEqual((await ChatReplica.load(second.api, id)).state);
      const sent = await second.api.send(id, { text: 'goes on', senderId: 'ann' });
      expect(sent.seq).toBe((await first.api.get<WireChat>(`/v1/chats/${id}`)).body.lastSeq + 1);
      await replica.catchUp(second.api, id, 1);
      expect(replica.state.messages.at(-1)).toEqual(sent);
    }
  });

  it('tells changes since every version of an import that had holes', async () => {
    const from = await mkdtemp(join(folder, 'holes-'));
    await writeFile(join(from, 'chats.jsonl'), '{"id":"a","created_at":0,"last_seq":400}\n');
    const seqs = [3, 4, 90, 91, 300];
    const lines = seqs.map((seq) => `{"chat":"a","user":"ann","ts":${seq},"text":"${seq}","seq":${seq}}`);
    await writeFile(join(from, 'messages.jsonl'), lines.join('\n'));
    const instance = await start();
    await importInto(instance, from);
    const { chat } = (await instance.api.inbox('ann')).items[0]!;
    expect(chat.lastSeq).toBe(400);
    const rows = await instance.database.query<{ seq: string; version: string }>('SELECT seq, version FROM message');
    for (let since = 0; since <= chat.version; since++) {
      const { messages } = await instance.api.changes(chat.id, since, '&limit=200');
      const expected = rows.filter(({ version }) => Number(version) > since).map(({ seq }) => Number(seq));
      expect({ since, seqs: messages.map(({ seq }) => seq) }).toEqual({ since, seqs: expected });
    }
  });

  it('lets a line begin with the lowest seq that comes, and goes on with one that was ended half-way', async () => {
    const from = await mkdtemp(join(folder, 'later-'));
    const chats = ['{"id":"later","created_at":0}', '{"id":"purged","created_at":0,"last_seq":9}'];
    await writeFile(join(from, 'chats.jsonl'), chats.join('\n'));
    const line = (chat: string, seq: number): string =>
      `{"chat":"${chat}","user":1,"ts":1,"text":"${seq}","seq":${seq},"reply_to":${seq - 1}}`;
    const write = (lines: readonly string[]): Promise<void> =>
      writeFile(join(from, 'messages.jsonl'), lines.join('\n'));
    const instance = await start();
    await write([line('purged', 4)]);
    expect(await importInto(instance, from)).toMatchObject({ messages: 1, refused: 0 });
    const refused: string[] = [];
    await write([line('later', 8), line('later', 7), line('later', 11), line('purged', 4), line('purged', 12)]);
    expect(await importInto(instance, from, refused)).toMatchObject({ messages: 3, present: 1, refused: 1 });
    expect(refused).toEqual(['messages.jsonl:3: seq: 11 would leave a hole in the chat before it']);
    const seqs = await instance.database.query<{ seq: string }>('SELECT seq FROM message ORDER BY seq');
    expect(seqs.map(({ seq }) => Number(seq))).toEqual([4, 7, 8, 12]);
    await write([line('purged', 3), line('later', 2 ** 51)]);
    expect(await importInto(instance, from, refused)).toMatchObject({ messages: 1, refused: 1 });
    expect(refused.slice(1)).toEqual(['messages.jsonl:2: seq: must be a whole number from 1 to 2^50']);
  });
});
