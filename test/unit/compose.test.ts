import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { ENVIRONMENT_SCHEMA, readEnvironment } from '../../src/config/environment.js';
import { fillTemplate, serverLines } from '../support/nginx-server.js';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly command?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

interface Composition {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const FILE = 'deploy/compose/compose.yaml';
const TEMPLATE = 'deploy/nginx/scrollback.conf.template';

const INSTANCES = ['scrollback-1', 'scrollback-2', 'scrollback-3'];

/** Fills in what compose takes from its own environment: `${NAME:?}`, which refuses to start without it. */
function interpolate(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+):\?\}/g, (_, name: string) => values[name]!);
}

describe('deploy/compose', () => {
  let services: Composition['services'];
  let volumes: Composition['volumes'];
  beforeAll(() => {
    ({ services, volumes } = load(readFileSync(FILE, 'utf8')) as Composition);
  });
  const filled = (name: string): Record<string, string> => {
    const values = { POSTGRES_PASSWORD: 'secret', AUTH_KEYS: `backend:${'0'.repeat(64)}` };
    return Object.fromEntries(
      Object.entries(services[name]!.environment ?? {}).map(([key, value]) => [key, interpolate(value, values)]),
    );
  };

  it('has three instances, nginx, PostgreSQL and Redis, each with a health check', () => {
    expect(Object.keys(services)).toEqual([...INSTANCES, 'nginx', 'postgres', 'redis']);
    for (const { healthcheck } of Object.values(services)) expect(healthcheck.test.length).toBeGreaterThan(1);
    expect(services['postgres']!.image).toMatch(/^postgres:18\b/);
    expect(services['redis']!.image).toMatch(/^redis:[78]\b/);
  });

  it('configures instances by variables that exist, with values that are accepted', () => {
    for (const name of INSTANCES) {
      const environment = filled(name);
      const unknown = Object.keys(environment).filter((key) => !(key in ENVIRONMENT_SCHEMA.shape));
      expect(unknown).toEqual([]);
      expect(readEnvironment(environment)).toMatchObject({ HOST: '0.0.0.0', AUTH_MODE: 'key' });
      expect(services[name]!.environment).toEqual(services[INSTANCES[0]!]!.environment);
    }
  });

  it('has no secret in the file', () => {
    const text = readFileSync(FILE, 'utf8');
    expect(text.match(/\$\{(\w+)/g)!.sort()).toEqual(['${AUTH_KEYS', '${POSTGRES_PASSWORD', '${POSTGRES_PASSWORD']);
    expect(text.match(/\$\{\w+(?!\w*:\?\})/g)).toBeNull();
  });

  it('has instances find the database and Redis where these are', () => {
    const { DATABASE_URL, REDIS_URL } = filled(INSTANCES[0]!);
    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = filled('postgres');
    expect(DATABASE_URL).toBe(`postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@postgres:5432/${POSTGRES_DB}`);
    expect(REDIS_URL).toBe('redis://redis:6379');
    expect(Object.keys(services[INSTANCES[0]!]!.depends_on!)).toEqual(['postgres']);
  });

  it('gives an instance more time to end than it takes at most', () => {
    const { SHUTDOWN_TIMEOUT_MS } = readEnvironment(filled(INSTANCES[0]!));
    for (const name of INSTANCES) {
      expect(Number(services[name]!.stop_grace_period!.replace(/s$/, '')) * 1000).toBeGreaterThan(SHUTDOWN_TIMEOUT_MS);
    }
  });

  it('asks instances where they listen, on the port that the image exposes', () => {
    const dockerfile = readFileSync('Dockerfile', 'utf8');
    for (const name of INSTANCES) {
      const { PORT } = filled(name);
      expect(dockerfile).toContain(`EXPOSE ${PORT}\n`);
      expect(services[name]!.healthcheck.test.join(' ')).toContain(`http://127.0.0.1:${PORT}/health/ready`);
      expect(resolve(dirname(FILE), services[name]!.build!.context)).toBe(resolve('.'));
    }
  });

  it('fills the template of nginx with every instance, as the tests do', () => {
    const { SCROLLBACK_LISTEN, SCROLLBACK_SERVERS, NGINX_ENVSUBST_FILTER } = filled('nginx');
    const { PORT } = filled(INSTANCES[0]!);
    expect(SCROLLBACK_SERVERS!.split('\n')).toEqual(
      serverLines(INSTANCES.map((name) => `${name}:${PORT}`))
        .split('\n')
        .map((line) => line.trim()),
    );
    const template = readFileSync(TEMPLATE, 'utf8');
    const result = fillTemplate(template, {
      SCROLLBACK_LISTEN: SCROLLBACK_LISTEN!,
      SCROLLBACK_SERVERS: SCROLLBACK_SERVERS!,
    });
    expect(result).toContain(`listen ${SCROLLBACK_LISTEN};`);
    // The image fills in what the filter lets through, wherever it stands, and nothing is left over.
    const named = [...template.matchAll(/\$\{(\w+)\}/g)].map(([, variable]) => variable!);
    expect(new Set(named)).toEqual(new Set(['SCROLLBACK_LISTEN', 'SCROLLBACK_SERVERS']));
    expect(named.every((variable) => new RegExp(NGINX_ENVSUBST_FILTER!).test(variable))).toBe(true);
  });

  it('mounts the template where the nginx image looks for it, and publishes the port that it listens on', () => {
    const { volumes: mounts, ports, depends_on: needs } = services['nginx']!;
    const [source, target, mode] = mounts![0]!.split(':');
    expect(resolve(dirname(FILE), source!)).toBe(resolve(TEMPLATE));
    expect([target, mode]).toEqual(['/etc/nginx/templates/default.conf.template', 'ro']);
    expect(ports).toEqual([`127.0.0.1:8080:${filled('nginx')['SCROLLBACK_LISTEN']}`]);
    // It looks names up when it starts, and ends if one is unknown.
    expect(Object.keys(needs!)).toEqual(INSTANCES);
  });

  it('keeps the database in a volume, and nothing of Redis', () => {
    expect(services['postgres']!.volumes).toEqual(['postgres:/var/lib/postgresql']);
    expect(Object.keys(volumes)).toEqual(['postgres']);
    expect(services['redis']!.volumes).toBeUndefined();
    expect(services['redis']!.command).toEqual(expect.arrayContaining(['--save', '', '--appendonly', 'no']));
  });

  it('sends the image nothing that needs what it leaves out: the build compiles without tests and benchmarks', () => {
    const ignored = readFileSync('.dockerignore', 'utf8').split('\n');
    // Examples have a test that imports from test/.
    expect(ignored).toEqual(expect.arrayContaining(['test', 'bench', 'examples']));
  });
});
