import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
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

  /** Files of this repository by where a service has them. */
  const mountsOf = (name: string): Map<string, string> =>
    new Map(
      services[name]!.volumes!.map((mount) => mount.split(':'))
        .filter(([source]) => source!.startsWith('.'))
        .map(([source, target]) => [target!, resolve(dirname(FILE), source!)]),
    );

  it('has three instances, nginx, PostgreSQL, Redis, Prometheus and Grafana, each with a health check', () => {
    expect(Object.keys(services)).toEqual([...INSTANCES, 'nginx', 'postgres', 'redis', 'prometheus', 'grafana']);
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
    expect(text.match(/\$\{(\w+)/g)!.sort()).toEqual([
      '${AUTH_KEYS',
      '${GRAFANA_PASSWORD',
      '${POSTGRES_PASSWORD',
      '${POSTGRES_PASSWORD',
    ]);
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
    expect(Object.keys(volumes)).toEqual(['postgres', 'prometheus', 'grafana']);
    expect(services['redis']!.volumes).toBeUndefined();
    expect(services['redis']!.command).toEqual(expect.arrayContaining(['--save', '', '--appendonly', 'no']));
  });

  it('has Prometheus scrape every instance on the port of its metrics, with all rules', () => {
    const { scrape_configs: jobs, rule_files: rules } = load(
      readFileSync('deploy/compose/prometheus.yaml', 'utf8'),
    ) as {
      readonly scrape_configs: readonly { readonly job_name: string; readonly static_configs: readonly object[] }[];
      readonly rule_files: readonly string[];
    };
    const targets = INSTANCES.map((name) => `${name}:${filled(name)['METRICS_PORT']}`);
    expect(jobs).toEqual([{ job_name: 'scrollback', static_configs: [{ targets }] }]);
    const mounted = mountsOf('prometheus');
    expect(mounted.get('/etc/prometheus/prometheus.yml')).toBe(resolve('deploy/compose/prometheus.yaml'));
    for (const rule of rules) {
      expect(mounted.get(`/etc/prometheus/${rule}`)).toBe(resolve('deploy/prometheus', basename(rule)));
    }
    const there = readdirSync('deploy/prometheus').filter((file) => file.endsWith('.rules.yaml'));
    expect(rules.map((rule) => basename(rule)).toSorted()).toEqual(there.toSorted());
  });

  it('has Grafana find Prometheus and every dashboard', () => {
    const mounted = mountsOf('grafana');
    for (const path of mounted.values()) expect(existsSync(path)).toBe(true);
    const provisioning = mounted.get('/etc/grafana/provisioning')!;
    const read = (file: string): unknown => load(readFileSync(join(provisioning, file), 'utf8'));
    const { datasources } = read('datasources/prometheus.yaml') as { datasources: readonly { url: string }[] };
    expect(datasources.map(({ url }) => url)).toEqual(['http://prometheus:9090']);
    const { providers } = read('dashboards/scrollback.yaml') as {
      providers: readonly { readonly options: { readonly path: string } }[];
    };
    const dashboards = readdirSync('deploy/grafana').filter((file) => file.endsWith('.json'));
    expect(dashboards.length).toBeGreaterThan(2);
    for (const file of dashboards) {
      expect(mounted.get(`${providers[0]!.options.path}/${file}`)).toBe(resolve('deploy/grafana', file));
    }
    expect(mounted.has(filled('grafana')['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']!)).toBe(true);
  });

  it('publishes nothing beyond this machine', () => {
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(published.length).toBe(3);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('sends the image nothing that needs what it leaves out: the build compiles without tests and benchmarks', () => {
    const ignored = readFileSync('.dockerignore', 'utf8').split('\n');
    // Examples have a test that imports from test/.
    expect(ignored).toEqual(expect.arrayContaining(['test', 'bench', 'examples']));
  });
});
