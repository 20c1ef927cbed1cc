import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { InstanceProcess } from '../support/instance-process.js';
import { ApiClient } from '../support/api-client.js';
import type { OpenApi } from '../support/openapi.js';
import type { Inhabitants } from './request-arbitrary.js';

const SECRET = 'a secret of more than thirty-two bytes';
/** The key of the service. */
export const KEY = 'the-key-of-a-service';

/** Users who are in some of the chats; the last is in none. */
const USERS = ['ann', 'ben', 'cléo', '用户', 'user with spaces', 'stranger'];

/** Chats that requests meet until they are renewed. */
const CHATS = 30;

const MESSAGES = 8;

/** An instance as operators would run it, in a process of its own, and what requests to it may meet. */
export class AbuseSite {
  private constructor(
    readonly instance: InstanceProcess,
    private readonly folder: string,
  ) {}

  /** Starts it. @param databaseUrl - absent: on a database of its own. */
  static async start(
    databaseUrl: string | undefined,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<AbuseSite> {
    const folder = await mkdtemp(join(tmpdir(), 'scrollback-abuse-'));
    const digest = createHash('sha256').update(KEY).digest('hex');
    const instance = await InstanceProcess.start({
      AUTH_MODE: 'key,jwt',
      AUTH_KEYS: `test:${digest}`,
      AUTH_JWT_SECRET: SECRET,
      CACHE_MAX_BYTES: '16MiB',
      SCROLLBACK_DATA_DIR: folder,
      PORT: '0',
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
      ...settings,
    });
    return new AbuseSite(instance, folder);
  }

  /** A client that is a service. */
  get service(): ApiClient {
    return new ApiClient(this.instance.url, undefined, KEY);
  }

  async document(): Promise<OpenApi> {
    return (await this.service.get<OpenApi>('/openapi.json')).body;
  }

  /** Makes chats with messages, and tells of them, of users, and of credentials of every kind. */
  async inhabit(): Promise<Inhabitants> {
    const { service } = this;
    const chatIds = Array.from({ length: CHATS }, () => randomUUID());
    const roles = ['owner', 'admin', 'member', 'readonly', 'member'];
    for (const id of chatIds) {
      const participants = USERS.slice(0, -1).map((userId, at) => ({ userId, role: roles[at]! }));
      await service.createChat({ id, title: 'abused', participants });
      for (let at = 0; at < MESSAGES; at++) await service.send(id, { senderId: USERS[at % 2]!, text: `message ${at}` });
    }
    const tokens = await Promise.all(USERS.map((user) => this.tokenOf(user)));
    const good = [KEY, KEY, ...tokens];
    const bad = ['', 'x', `${tokens[0]!}x`, 'a.b.c', 'x'.repeat(8000)];
    return {
      chatIds,
      userIds: USERS,
      credentials: [...good, ...good, ...bad].map((credential) => `Bearer ${credential}`),
    };
  }

  /** A token of a user. */
  tokenOf(userId: string): Promise<string> {
    return new SignJWT({ sub: userId })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(Buffer.from(SECRET));
  }

  /** One of its metrics; labels as they are written. */
  async metric(name: string): Promise<number> {
    const { body } = await this.service.get<string>('/metrics');
    const line = body.split('\n').find((each) => each.startsWith(`${name} `));
    if (line === undefined) throw new Error(`There is no metric ${name}.`);
    return Number(line.slice(name.length));
  }

  async stop(): Promise<void> {
    await this.instance.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
