import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { ApiClient } from '../support/api-client.js';

/** What the API promises of what others have written. */
const STALENESS_BOUND_MS = 5000;

const COMMAND = resolve('bin/scrollback.mjs');

/** The `scrollback` command as a process. */
class CommandProcess {
  output = '';
  readonly exited: Promise<number | null>;

  private constructor(readonly child: ChildProcess) {
    child.stdout!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.exited = once(child, 'exit').then(([code]) => code as number | null);
  }

  static start(args: readonly string[], environment: Readonly<Record<string, string>>): CommandProcess {
    const { PATH, HOME } = process.env;
    return new CommandProcess(
      spawn(process.execPath, [COMMAND, ...args], {
        env: { PATH, HOME, ...environment },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  }

  /** Resolves with the first match in the output; rejects if the process ends without one. */
  async waitFor(pattern: RegExp): Promise<string> {
    let hasExited = false;
    void this.exited.then(() => (hasExited = true));
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match[1] ?? match[0];
      if (hasExited) throw new Error(`The process ended without ${pattern}:\n${this.output}`);
      await Promise.race([this.exited, once(this.child.stdout!, 'data'), once(this.child.stderr!, 'data')]);
    }
  }
}

/** No chat has it. */
const UNKNOWN = '00000000-0000-7000-8000-000000000000';

describe('the scrollback command', () => {
  let folder: string;
  const started: CommandProcess[] = [];
  const start = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): CommandProcess => {
    const command = CommandProcess.start(args, {
      PORT: '0',
      SCROLLBACK_DATA_DIR: join(folder, 'data'),
      ...environment,
    });
    started.push(command);
    return command;
  };
  const serve = async (): Promise<{ command: CommandProcess; api: ApiClient }> => {
    const command = start(['serve']);
    return { command, api: new ApiClient(await command.waitFor(/Listening on (http:\/\/[\d.:]+)/)) };
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrollback-command-'));
  });
  afterAll(async () => {
    for (const { child, exited } of started) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('serves, ends with code 0 on SIGTERM, and has its data when it starts again', async () => {
    const first = await serve();
    const chat = await first.api.createChat({ participants: [{ userId: 'ann' }] });
    await first.api.send(chat.id, { senderId: 'ann', text: 'remember me' });
    const ready = await first.api.get<{ status: string; details: object }>('/health/ready');
    expect(ready.status).toBe(200);
    expect(Object.keys(ready.body.details)).toEqual(['database', 'cache', 'coherence']);
    expect((await first.api.get<string>('/metrics')).body).toMatch(
      /^scrollback_cache_requests_total\{cache="chat",result="hit"\} \d+$/m,
    );
    first.command.child.kill('SIGTERM');
    expect(await first.command.exited).toBe(0);

    const second = await serve();
    expect((await second.api.page(chat.id)).items.map(({ text }) => text)).toEqual(['remember me']);
    second.command.child.kill('SIGINT');
    expect(await second.command.exited).toBe(0);
  });

  it('says loudly that everybody may do everything, when it is forced to serve a public address without authentication', async () => {
    const warning = /Everybody who reaches 0\.0\.0\.0 may read and write everything/;
    const open = start(['serve'], { HOST: '0.0.0.0', AUTH_ALLOW_INSECURE: 'true' });
    await open.waitFor(/Listening on/);
    expect(open.output).toMatch(warning);
    open.child.kill('SIGTERM');
    expect(await open.exited).toBe(0);
    const refused = start(['serve'], { HOST: '0.0.0.0' });
    expect(await refused.exited).toBe(78);
    expect(refused.output).toMatch(/AUTH_MODE/);
    const { command } = await serve();
    expect(command.output).not.toMatch(/Everybody who reaches/);
    command.child.kill('SIGTERM');
    expect(await command.exited).toBe(0);
  });

  it('says that nobody has to prove who they are when keys are set and their use is not, and tells no value', async () => {
    const digest = 'ab'.repeat(32);
    const secret = 'a secret of more than thirty-two bytes';
    const warning = /every caller may read and write everything: AUTH_KEYS, AUTH_JWT_SECRET is of no effect/;
    const open = start(['serve'], { AUTH_KEYS: `backend:${digest}`, AUTH_JWT_SECRET: secret });
    await open.waitFor(/Listening on/);
    expect(open.output).toMatch(warning);
    for (const value of ['backend', digest, secret]) expect(open.output).not.toContain(value);
    open.child.kill('SIGTERM');
    expect(await open.exited).toBe(0);
    const guarded = start(['serve'], { AUTH_MODE: 'key', AUTH_KEYS: `backend:${digest}` });
    await guarded.waitFor(/Listening on/);
    expect(guarded.output).not.toMatch(/of no effect/);
    guarded.child.kill('SIGTERM');
    expect(await guarded.exited).toBe(0);
  });

  it('recovers the embedded database of an instance that was killed, with every acknowledged message', async () => {
    const killed = await serve();
    const chat = await killed.api.createChat({ participants: [{ userId: 'ann' }] });
    const sent: string[] = [];
    for (let index = 1; index <= 50; index++) {
      sent.push((await killed.api.send(chat.id, { senderId: 'ann', text: `message ${index}` })).text!);
    }
    killed.command.child.kill('SIGKILL');
    await killed.command.exited;

    const next = await serve();
    expect((await next.api.page(chat.id)).items.map(({ text }) => text)).toEqual(sent);
    const clash = start(['serve']);
    expect(await clash.exited).toBe(1);
    expect(clash.output).toMatch(
      /is in use by process \d+\. Stop it, choose another SCROLLBACK_DATA_DIR, or set DATABASE_URL/,
    );
    next.command.child.kill('SIGTERM');
    expect(await next.command.exited).toBe(0);
  });

  it('imports beside a running instance, which shows it without a restart', async () => {
    const { command, api } = await serve();
    // Read before the import: what is remembered of this user must not outlive it.
    expect((await api.inbox('user-1')).items).toEqual([]);
    const source = join(folder, 'source');
    const generated = start(['generate', source, '--messages', '300']);
    expect(await generated.exited).toBe(0);
    const imported = start(['import', source]);
    expect(await imported.exited).toBe(0);
    expect(imported.output).toMatch(/Imported 300 messages in \d+ new chats/);
    // Within the bound on staleness; the next look at the database comes after a second at most.
    await waitUntil(async () => (await api.inbox('user-1')).items.length > 0, STALENESS_BOUND_MS);
    expect((await api.inbox('user-1')).items[0]!.chat.lastSeq).toBeGreaterThan(0);
    command.child.kill('SIGTERM');
    expect(await command.exited).toBe(0);
  });

  it('purges beside a running instance, which shows nothing of it any more', async () => {
    const { command, api } = await serve();
    const chats = [];
    for (const title of ['one', 'other']) {
      const chat = await api.createChat({ title, participants: [{ userId: 'ann' }] });
      for (const createdAt of ['2020-01-01T00:00:00Z', '2020-01-02T00:00:00Z', new Date().toISOString()]) {
        await api.send(chat.id, { senderId: 'ann', text: `of ${createdAt.slice(0, 4)}`, createdAt });
      }
      chats.push(chat.id);
    }
    const [one, other] = chats as [string, string];
    const dry = start(['purge', '--older-than', '90d', '--chat', one, '--chat', other, '--dry-run']);
    expect(await dry.exited).toBe(0);
    expect(dry.output).toContain(`${one} 2\n`);
    expect(dry.output).toContain('Would purge 4 messages of 2 chats. Nothing was deleted.');
    expect((await api.page(one)).items).toHaveLength(3);
    const purge = start(['purge', '--older-than', '90d', '--chat', one]);
    expect(await purge.exited).toBe(0);
    expect(purge.output).toMatch(/Purged 2 messages of 1 chat in \d+\.\d s\./);
    await waitUntil(async () => (await api.page(one)).items.length === 1, STALENESS_BOUND_MS);
    expect(await api.page(one)).toMatchObject({ items: [{ seq: 3 }], hasOlder: false, hasNewer: false });
    expect((await api.page(other)).items).toHaveLength(3);
    command.child.kill('SIGTERM');
    expect(await command.exited).toBe(0);
  });

  it.each([
    [['purge'], /required option '--older-than <age>' not specified/],
    [
      ['purge', '--older-than', '90 days'],
      /It must be a whole number of minutes, hours, days or weeks: 30m, 12h, 90d, 2w/,
    ],
    [['purge', '--older-than', '90d', '--chat', 'x'], /It must be the id of a chat, a UUID/],
    [
      ['purge', '--older-than', '90d', '--chat', UNKNOWN],
      new RegExp(`There is no chat ${UNKNOWN}\\. Nothing was deleted`),
    ],
    [['purge', '--older-than', '90d', '--chat', UNKNOWN, '--dry-run'], new RegExp(`There is no chat ${UNKNOWN}`)],
  ])('refuses %j and deletes nothing', async (args, message) => {
    const refused = start(args);
    expect(await refused.exited).toBe(1);
    expect(refused.output).toMatch(message);
  });

  it('names every wrong variable, prints no value, and exits with 78', async () => {
    const command = start(['serve'], {
      PORT: 'http',
      CACHE_MAX_BYTES: 'secret-size',
      DATABASE_URL: 'mysql://user:secret-password@host/db',
      AUTH_MODE: 'key',
    });
    expect(await command.exited).toBe(78);
    expect(command.output).toMatch(/PORT: must be a whole number/);
    expect(command.output).toMatch(/CACHE_MAX_BYTES: must be a size/);
    expect(command.output).toMatch(/DATABASE_URL: must be a URL/);
    expect(command.output).not.toMatch(/secret|mysql/);
    const exposed = start(['serve'], { HOST: '0.0.0.0' });
    expect(await exposed.exited).toBe(78);
    expect(exposed.output).toMatch(/AUTH_MODE: none is refused when HOST is a public address/);
  });

  it('says in one line of the log why it does not start', async () => {
    const told = (command: CommandProcess): Record<string, unknown> => {
      const lines = command.output.trimEnd().split('\n');
      const last = lines.map((line) => JSON.parse(line) as Record<string, unknown>).at(-1)!;
      expect(last).toMatchObject({ level: 'fatal', event: 'start_failed' });
      return last;
    };
    const wrong = start(['serve'], { PORT: 'http', SHUTDOWN_DRAIN_MS: '60000' });
    expect(await wrong.exited).toBe(78);
    expect(told(wrong)['variables']).toEqual(['PORT', 'SHUTDOWN_DRAIN_MS', 'SHUTDOWN_TIMEOUT_MS']);
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const twice = start(['serve'], { METRICS_PORT: String(port) });
    expect(await twice.exited).toBe(1);
    expect(told(twice)).toMatchObject({
      errorCode: 'EADDRINUSE',
      message: expect.stringContaining('Set METRICS_PORT'),
    });
    taken.close();
  });

  it('says at every try why it cannot reach the database, without a stack', async () => {
    const waiting = start(['serve'], { DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/chats' });
    await waiting.waitFor(/"attempt":2.*\n/);
    waiting.child.kill('SIGKILL');
    await waiting.exited;
    const lines = waiting.output.trimEnd().split('\n');
    const tries = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => line['event'] === 'database_unreachable');
    expect(tries.length).toBeGreaterThan(1);
    for (const each of tries) {
      expect(each).toMatchObject({ level: 'warn', errorCode: 'ECONNREFUSED' });
      expect(each).not.toHaveProperty('stack');
    }
    expect(waiting.output).not.toMatch(/hunter2|Unable to connect/);
  });

  it('names the document of the settings in its help', async () => {
    const help = start(['serve', '--help']);
    expect(await help.exited).toBe(0);
    expect(help.output).toContain('docs/configuration.md');
  });
});
