import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WireMessage } from '../../src/cache/wire-types.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import type { ApiAnswer } from '../support/api-client.js';
import { Cluster } from '../support/cluster.js';
import type { InstanceProcess } from '../support/instance-process.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** nginx sorts requests by chat: of so many, each instance gets some. */
const CHATS = 40;
const CLIENTS = 8;
/** Done by all clients before, between and after the restarts. */
const ROUND = 150;
const PATIENT_MS = 60_000;
/** Tries of one request: a connection may break, and the answer with it. */
const TRIES = 40;
const TRY_AGAIN_MS = 50;

describe('two instances behind nginx that are restarted one after the other while clients read and write', () => {
  let database: TestDatabase;
  let cluster: Cluster;
  const chatIds: string[] = [];
  /** Acknowledged messages: `clientId` to seq and chat. */
  const acknowledged = new Map<string, { readonly chatId: string; readonly seq: number }>();
  const failures: string[] = [];
  let done = 0;
  let again = 0;
  let goesOn = true;

  beforeAll(async () => {
    database = await createTestDatabase();
    cluster = await Cluster.start({
      instances: 2,
      bus: 'postgres',
      databaseUrl: database.url,
      environment: { SHUTDOWN_DRAIN_MS: '200' },
    });
    for (let at = 0; at < CHATS; at++) {
      chatIds.push((await cluster.api.createChat({ participants: [{ userId: 'ann' }] })).id);
    }
  });
  afterAll(async () => {
    await cluster?.close();
    await database.drop();
  });

  /** Does a request as clients are told to: again when no answer came, or one that says that it may be tried again. */
  async function insist<T>(ask: () => Promise<ApiAnswer<T>>): Promise<ApiAnswer<T> | undefined> {
    for (let tries = 0; tries < TRIES; tries++) {
      const answer = await ask().catch(() => undefined);
      if (answer !== undefined && ![502, 503, 504].includes(answer.status)) return answer;
      again++;
      await sleep(TRY_AGAIN_MS);
    }
    return undefined;
  }

  async function isAsked({ api }: InstanceProcess): Promise<boolean> {
    const { body } = await api.get<string>('/metrics');
    return /^scrollback_cache_requests_total\{cache="messages",.*\} [1-9]/m.test(body);
  }

  async function work(client: number): Promise<void> {
    for (let step = 0; goesOn; step++) {
      const chatId = chatIds[(client + step) % CHATS]!;
      const clientId = `${client} ${step}`;
      const body = { senderId: 'ann', text: `message ${clientId}`, clientId };
      const sent = await insist(() => cluster.api.post<WireMessage>(`/v1/chats/${chatId}/messages`, body));
      if (sent?.status === 201 || sent?.status === 200) acknowledged.set(clientId, { chatId, seq: sent.body.seq });
      else failures.push(`send: ${sent?.status}`);
      const read = await insist(() => cluster.api.get(`/v1/chats/${chatId}/messages?limit=20`));
      if (read?.status !== 200) failures.push(`page: ${read?.status}`);
      done++;
    }
  }

  it('fail no request, lose and double no message, end with code 0, and know afterwards what was hot', async () => {
    const working = Promise.all(Array.from({ length: CLIENTS }, (_unused, client) => work(client)));
    const untilDone = async (more: number): Promise<void> => {
      const wanted = done + more;
      expect(await waitUntil(async () => done >= wanted, PATIENT_MS)).toBe(true);
    };
    await untilDone(ROUND);
    for (const instance of cluster.instances) {
      await instance.stop();
      expect({ ended: instance.ended, output: instance.output }).toEqual({
        ended: 0,
        output: expect.stringMatching(/Saved the heat of [1-9]\d* chats/),
      });
      await untilDone(ROUND);
      await instance.start();
      await waitUntil(async () => /Warm: [1-9]\d* of \d+ chats/.test(instance.output), PATIENT_MS);
      expect(instance.output).toMatch(/Warm: [1-9]\d* of \d+ chats/);
      // nginx leaves alone for 5 s who has refused a connection: the next one goes when this one is asked again.
      expect(await waitUntil(() => isAsked(instance), PATIENT_MS)).toBe(true);
      await untilDone(ROUND);
    }
    goesOn = false;
    await working;
    process.stderr.write(`rolling restart: ${done} sends and pages, ${again} asked again\n`);
    expect(failures).toEqual([]);
    const rows = await database.query<{ chat_id: string; seq: string; client_id: string }>(
      'SELECT chat_id, seq, client_id FROM message ORDER BY client_id',
    );
    const stored = rows.map((row) => [row.client_id, { chatId: row.chat_id, seq: Number(row.seq) }] as const);
    expect(new Map(stored)).toEqual(acknowledged);
    expect(rows).toHaveLength(acknowledged.size);
  }, 180_000);
});
