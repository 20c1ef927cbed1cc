import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';

import { chooseDatabaseAccount } from '../../src/storage/embedded/database-account.js';
import { EmbeddedDatabaseInUseError } from '../../src/storage/embedded/embedded-database-in-use-error.js';
import { findPostgresBinaries } from '../../src/storage/embedded/postgres-binaries.js';
import { ProgramLauncher } from '../../src/storage/embedded/program-launcher.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { answers, DEADLINE_MS, EmbeddedWorkbench, failureOf, killPostmaster } from '../support/process.js';
import { makeTestFolder, query, readPermissions, readReport } from '../support/process.js';

jest.setTimeout(2 * DEADLINE_MS);

let folder: Awaited<ReturnType<typeof makeTestFolder>>;
let bench: EmbeddedWorkbench;

beforeAll(async () => void (folder = await makeTestFolder()));
beforeEach(async () => void (bench = await EmbeddedWorkbench.open(folder.path)));
afterEach(async () => bench.close());
// Not after each test: ext4 is slow to make files for minutes after many were deleted.
afterAll(async () => folder.remove());

describe('The embedded PostgreSQL', () => {
  it('keeps what was committed over a restart', async () => {
    const first = await bench.start();
    await query(first.connection, 'CREATE TABLE note AS SELECT 7 AS value');
    await first.stop();
    const second = await bench.start();
    expect(await query(second.connection, 'SELECT value FROM note')).toEqual([{ value: 7 }]);
  });

  it('runs below folders that every user may enter', async () => {
    await chmod(bench.parent, 0o755);
    expect(await answers((await bench.start()).connection)).toBe(true);
  });

  it('runs in an existing folder that only its owner may enter', async () => {
    await mkdir(bench.dataDir, { mode: 0o700 });
    expect(await answers((await bench.start()).connection)).toBe(true);
    expect(await readPermissions(bench.dataDir)).toBe('700');
  });

  it('runs programs that are below a folder that only their owner may enter', async () => {
    const installed = await findPostgresBinaries();
    const native = join(bench.parent, 'native');
    await cp(dirname(dirname(installed.postgres)), native, { recursive: true, verbatimSymlinks: true });
    await mkdir(bench.dataDir);
    const account = await chooseDatabaseAccount(bench.inData('cluster'));
    if (account) await chown(bench.dataDir, account.uid, account.gid);

    const cluster = bench.inData('cluster');
    const { launcher } = await ProgramLauncher.choose(account, join(native, 'bin/postgres'), [cluster]);
    const result = await launcher.run(join(native, 'bin/initdb'), ['-D', cluster, '-A', 'trust', '--no-sync']);
    expect(result).toMatchObject({ succeeded: true });
  });

  it('is private: a socket, a password that is asked for, files for nobody else', async () => {
    const { connection } = await bench.start();
    expect(await query(connection, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
    expect(connection.host).toBe(bench.inData('run'));
    expect(await failureOf(query({ ...connection, password: 'guess' }, 'SELECT 1'))).toMatchObject({ code: '28P01' });
    expect(await readPermissions(bench.inData('password'))).toBe('600');
    expect(await readPermissions(connection.host)).toBe('700');
    expect(await readPermissions(bench.dataDir)).toMatch(/^7[01]0$/);
  });

  it('checks its pages, keeps UTF-8 in code point order, commits to disk and speaks UTC', async () => {
    const { connection } = await bench.start({ settings: {} });
    const names = 'data_checksums server_encoding fsync synchronous_commit TimeZone jit max_wal_size'.split(' ');
    const settings = await query(
      connection,
      `SELECT ${names.map((name) => `current_setting('${name}')`).join(` || ' ' || `)} AS settings,
        (SELECT datlocale FROM pg_database WHERE datname = current_database()) AS locale, 'Z' < 'a' AS by_code_point, lower('É') AS lower`,
    );
    expect(settings).toEqual([
      { settings: 'on UTF8 on on UTC off 2GB', locale: 'C.UTF-8', by_code_point: true, lower: 'é' },
    ]);
  });

  it('listens below the temporary folder when its own path is too long for a socket', async () => {
    bench.dataDir = join(bench.parent, 'deep'.repeat(25));
    const { connection } = await bench.start();
    expect(connection.host.startsWith(join(tmpdir(), 'scrollback-'))).toBe(true);
    expect(await readPermissions(connection.host)).toBe('700');
    expect(await answers(connection)).toBe(true);
    await bench.close();
    await rm(connection.host, { recursive: true });
  });

  it('leads a process group of its own, where Ctrl-C does not reach it', async () => {
    const { pid } = await bench.start();
    const { stdout } = await promisify(execFile)('ps', ['-o', 'pgid=', '-p', String(pid)]);
    expect(stdout.trim()).toBe(String(pid));
  });

  it('does not keep Node alive by itself', async () => {
    const script = bench.runOwner('end');
    expect((await readReport(script)).pid).toBeGreaterThan(0);
    expect(await script.exited).toEqual({ code: 0, signal: null });
  });

  it('puts a large log aside when it starts', async () => {
    await bench.startAndStop();
    const largeBytes = 11 * 1024 * 1024;
    await truncate(bench.inData('postgres.log'), largeBytes);
    await bench.start();
    expect((await stat(bench.inData('postgres.log.1'))).size).toBe(largeBytes);
    expect((await stat(bench.inData('postgres.log'))).size).toBeLessThan(largeBytes);
  });
});

describe('The owner of a data folder', () => {
  it('is named to a second start in the same process', async () => {
    await bench.start();
    const error = await failureOf(bench.start());
    expect(error).toBeInstanceOf(EmbeddedDatabaseInUseError);
    expect(error).toMatchObject({ code: 'embedded_database_in_use', ownerPid: process.pid, dataDir: bench.dataDir });
    expect(error.message).toMatch(`${bench.dataDir} is in use by this process (pid ${process.pid})`);
    expect(error.message).toMatch(/Stop it, .*SCROLLBACK_DATA_DIR, .*DATABASE_URL/);
  });

  it('is named to a second start in another process, and is free once it has stopped', async () => {
    const database = await bench.start();
    const refusal = await readReport(bench.runOwner());
    expect(refusal).toEqual({ code: 'embedded_database_in_use', ownerPid: process.pid });
    await database.stop();
    expect((await readReport(bench.runOwner())).pid).toBeGreaterThan(0);
  });

  it('is one of those that start at once after the last owner was killed', async () => {
    const killed = bench.runOwner();
    await readReport(killed);
    await killed.kill('SIGKILL');
    const reports = await Promise.all(Array.from({ length: 6 }, async () => readReport(bench.runOwner())));
    expect(reports.filter(({ pid }) => pid !== undefined)).toHaveLength(1);
    expect(reports.filter(({ code }) => code === 'embedded_database_in_use')).toHaveLength(5);
    expect(await bench.postmasters()).toHaveLength(1);
  });

  it('is not mistaken for a program that got its pid', async () => {
    await bench.startAndStop();
    // This process lives, but started at another time than the owner did that left this file.
    await writeFile(bench.inData(`owner-${process.pid}-1x0.lock`), '{}');
    expect(await answers((await bench.start()).connection)).toBe(true);
    expect((await readdir(bench.dataDir)).filter((name) => name.endsWith('.lock'))).toHaveLength(1);
  });

  it('is respected when it cannot be seen, as one in another container, as long as its socket answers', async () => {
    const { connection } = await bench.startAndStop();
    const server = createServer().listen(join(connection.host, '.s.PGSQL.5432'));
    await once(server, 'listening');
    const error = await failureOf(bench.start());
    server.close();
    expect(error).toMatchObject({ code: 'embedded_database_in_use', ownerPid: undefined });
    await once(server, 'close');
    expect(await answers((await bench.start()).connection)).toBe(true);
  });
});

describe('After a crash', () => {
  it('stops the postmaster that a killed owner left behind, and has what was committed', async () => {
    const owner = bench.runOwner();
    const { pid, connection } = await readReport(owner);
    await query(connection, 'CREATE TABLE note AS SELECT 7 AS value');
    await owner.kill('SIGKILL');
    expect(await bench.postmasters()).toEqual([pid]);

    const database = await bench.start();
    expect(await bench.postmasters()).toEqual([database.pid]);
    expect(database.pid).not.toBe(pid);
    expect(bench.messages).toContainEqual(expect.stringContaining(`Stopped PostgreSQL (pid ${pid})`));
    expect(await query(database.connection, 'SELECT value FROM note')).toEqual([{ value: 7 }]);
  });

  it('restarts a postmaster that was killed', async () => {
    const database = await bench.start();
    await query(database.connection, 'CREATE TABLE note AS SELECT 7 AS value');
    for (let round = 0; round < 3; round += 1) {
      await bench.killAndAwaitRestart(database);
      expect(await query(database.connection, 'SELECT value FROM note')).toEqual([{ value: 7 }]);
    }
  });

  it('restarts although a backend of the killed postmaster is busy and does not notice', async () => {
    const database = await bench.start();
    const client = new Client(database.connection);
    client.on('error', () => undefined);
    await client.connect();
    const work = client.query('DO $$ BEGIN LOOP END LOOP; END $$').catch(() => 'cut off');
    try {
      const busy = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO%'`;
      const isBusy = async (): Promise<boolean> => (await query(database.connection, busy)).length === 1;
      expect(await waitUntil(isBusy, DEADLINE_MS)).toBe(true);
      await bench.killAndAwaitRestart(database);
      expect(await work).toBe('cut off');
    } finally {
      await client.end();
    }
  });

  it('stops, and frees the folder, when the postmaster has died', async () => {
    const database = await bench.start();
    killPostmaster(database);
    expect(await waitUntil(() => database.pid === undefined, DEADLINE_MS)).toBe(true);
    await Promise.all([database.stop(), database.stop()]);
    expect(await bench.postmasters()).toEqual([]);
    expect(await answers((await bench.start()).connection)).toBe(true);
  });

  it('stops while a restart fails over and over, and starts again once the cause is gone', async () => {
    const database = await bench.start();
    await rename(bench.inData('cluster', 'global'), bench.inData('cluster', 'away'));
    killPostmaster(database);
    const hasFailedTwice = (): boolean => bench.messages.filter((text) => text.includes('did not restart')).length >= 2;
    expect(await waitUntil(hasFailedTwice, DEADLINE_MS)).toBe(true);
    await database.stop();
    expect(await bench.postmasters()).toEqual([]);

    await rename(bench.inData('cluster', 'away'), bench.inData('cluster', 'global'));
    expect(await answers((await bench.start()).connection)).toBe(true);
  });

  it('starts over when the first start was interrupted', async () => {
    const owner = bench.runOwner();
    const readNames = async (): Promise<string> => (await readdir(bench.dataDir).catch(() => [])).join();
    expect(await waitUntil(async () => (await readNames()).includes('cluster.new-'), DEADLINE_MS)).toBe(true);
    await owner.kill('SIGKILL');
    expect(await readdir(bench.dataDir)).not.toContain('cluster');
    expect(await answers((await bench.start()).connection)).toBe(true);
  });

  it('removes what interrupted first starts left', async () => {
    await mkdir(bench.inData('cluster.new-0123', 'data', 'base'), { recursive: true });
    await bench.start();
    expect((await readdir(bench.dataDir)).filter((name) => name.startsWith('cluster'))).toEqual(['cluster']);
  });

  it('is not stopped by pid files whose pid another program has got', async () => {
    const { connection } = await bench.startAndStop();
    const program = bench.runProgram('sleep', ['600'], await stat(bench.inData('cluster')));
    await writeFile(bench.inData('cluster', 'postmaster.pid'), `${program.pid}\n${bench.inData('cluster')}\n1\n5432\n`);
    await writeFile(join(connection.host, '.s.PGSQL.5432.lock'), `${program.pid}\n`);
    expect(await answers((await bench.start()).connection)).toBe(true);
    expect(program.exitCode).toBeNull();
  });
});

describe('A start that cannot succeed', () => {
  it('tells the end of the log when PostgreSQL exits, and leaves the folder free', async () => {
    const error = await failureOf(bench.start({ settings: { shared_buffers: 'plenty' } }));
    expect(error).toMatchObject({ code: 'embedded_database_start_failed' });
    expect(error.message).toContain('invalid value for parameter "shared_buffers"');
    expect(await answers((await bench.start()).connection)).toBe(true);
  });

  it('leaves nothing running when it takes too long', async () => {
    await bench.startAndStop();
    const error = await failureOf(bench.start({ startTimeoutMs: 0 }));
    expect(error).toMatchObject({ code: 'embedded_database_start_timeout' });
    expect(await bench.postmasters()).toEqual([]);
    expect(await answers((await bench.start()).connection)).toBe(true);
  });

  it('refuses the data of another major version', async () => {
    await bench.startAndStop();
    await writeFile(bench.inData('cluster', 'PG_VERSION'), '17\n');
    const error = await failureOf(bench.start());
    expect(error).toMatchObject({ code: 'embedded_database_version_mismatch' });
    expect(error.message).toMatch(/PostgreSQL 17.*brings 18.*DATABASE_URL/);
  });

  it('asks for the password file when it is wrong or lost', async () => {
    await bench.startAndStop();
    const password = await readFile(bench.inData('password'), 'utf8');
    await writeFile(bench.inData('password'), 'another');
    expect(await failureOf(bench.start())).toMatchObject({ code: 'embedded_database_password_lost' });
    await rm(bench.inData('password'));
    expect(await failureOf(bench.start())).toMatchObject({ code: 'embedded_database_password_lost' });
    await writeFile(bench.inData('password'), password, { mode: 0o600 });
    expect(await answers((await bench.start()).connection)).toBe(true);
  });

  it('names a folder that cannot be made', async () => {
    await writeFile(join(bench.parent, 'file'), '');
    bench.dataDir = join(bench.parent, 'file', 'data');
    const error = await failureOf(bench.start());
    expect(error).toMatchObject({ code: 'embedded_database_folder_unusable' });
    expect(error.message).toContain(bench.dataDir);
  });
});
