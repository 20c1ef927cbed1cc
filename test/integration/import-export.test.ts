import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Database } from '../../src/storage/database.js';
import { exportTo } from '../../src/transfer/exporter.js';
import { generateConversations } from '../../src/transfer/generator.js';
import { Importer, type ImportReport } from '../../src/transfer/importer.js';
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
});
