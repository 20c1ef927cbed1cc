import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import type { IServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';
import type { IConfigMap, IContainer, IPodSpec, IService } from 'kubernetes-models/v1';
import ts from 'typescript';
import { parseByteSize } from '../../src/config/byte-size.js';
import { ENVIRONMENT_SCHEMA, readEnvironment } from '../../src/config/environment.js';

const FOLDER = 'deploy/kubernetes';
const NAME_LABEL = 'app.kubernetes.io/name';

/** What PostgreSQL allows unless told otherwise, and what it keeps of that for superusers. */
const MAX_CONNECTIONS = 100;
const RESERVED_CONNECTIONS = 3;

/** Modules of the schemas, by the `apiVersion` that they are of. */
const MODULES: Readonly<Record<string, string>> = {
  v1: 'kubernetes-models/v1',
  'apps/v1': 'kubernetes-models/apps/v1',
  'autoscaling/v2': 'kubernetes-models/autoscaling/v2',
  'networking.k8s.io/v1': 'kubernetes-models/networking.k8s.io/v1',
  'policy/v1': 'kubernetes-models/policy/v1',
  'monitoring.coreos.com/v1': '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
};

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

type Model = new (data: object) => { validate(): void };

/** What the validator of a kind says of a manifest; `undefined`: nothing. */
async function faultOf(manifest: Manifest): Promise<string | undefined> {
  const models = (await import(MODULES[manifest.apiVersion]!)) as Record<string, Model>;
  try {
    new models[manifest.kind]!(manifest).validate();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What the compiler says of manifests as values of their types. It finds what validators let pass: fields that there are not. */
function typeFaultsOf(manifests: readonly Manifest[]): string[] {
  const folder = mkdtempSync(resolve('dist/kubernetes-'));
  const file = join(folder, 'manifests.ts');
  const lines = manifests.map(({ apiVersion, kind, ...rest }, at) => {
    const { default: _, ...value } = rest as Record<string, unknown>;
    return `import type { I${kind} as Type${at} } from '${MODULES[apiVersion]}';\nexport const value${at}: Type${at} = ${JSON.stringify({ apiVersion, kind, ...value })};`;
  });
  writeFileSync(file, lines.join('\n'));
  const program = ts.createProgram([file], {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  });
  const faults = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
  rmSync(folder, { recursive: true });
  return faults;
}

describe('deploy/kubernetes', () => {
  const read = <T>(file: string): T => load(readFileSync(join(FOLDER, file), 'utf8')) as T;
  const { resources } = read<{ readonly resources: readonly string[] }>('kustomization.yaml');
  const manifests = new Map(resources.map((file) => [file, read<Manifest>(file)]));
  const of = <T>(file: string): T => manifests.get(file) as T;
  let container: IContainer;
  let pod: IPodSpec;
  let deployment: IDeployment;
  let settings: Record<string, string>;
  beforeAll(() => {
    deployment = of<IDeployment>('deployment.yaml');
    pod = deployment.spec!.template.spec!;
    container = pod.containers[0]!;
    settings = of<IConfigMap>('config-map.yaml').data!;
  });

  it('names every manifest of the folder', () => {
    const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml');
    expect([...resources].sort()).toEqual(files.sort());
    expect([...manifests.values()].map(({ kind }) => kind).sort()).toEqual([
      'ConfigMap',
      'Deployment',
      'HorizontalPodAutoscaler',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
      'ServiceAccount',
      'ServiceMonitor',
    ]);
  });

  it.each([...resources])('%s is what the schemas of Kubernetes allow', async (file) => {
    expect(await faultOf(manifests.get(file)!)).toBeUndefined();
  });

  it('has no field that Kubernetes does not know', () => {
    expect(typeFaultsOf([...manifests.values()])).toEqual([]);
  });

  it('would be seen to be wrong', async () => {
    const wrong = structuredClone(deployment);
    const [broken] = wrong.spec!.template.spec!.containers as unknown as Record<string, unknown>[];
    broken!['ports'] = [{ containerPort: 'three thousand' }];
    expect(await faultOf(wrong as Manifest)).toContain('containerPort');
    const monitor = structuredClone(of<IServiceMonitor>('service-monitor.yaml'));
    (monitor.spec.endpoints[0] as { port: unknown }).port = 9090;
    expect(await faultOf(monitor as Manifest)).toContain('port');
    const unknown = structuredClone(deployment);
    (unknown.spec!.template.spec!.containers[0] as unknown as Record<string, unknown>)['readynessProbe'] = {};
    expect(typeFaultsOf([unknown as Manifest])).toEqual([expect.stringContaining('readynessProbe')]);
  });

  it('sets only what the application knows, and what it takes', () => {
    expect(Object.keys(settings).filter((name) => !(name in ENVIRONMENT_SCHEMA.shape))).toEqual([]);
    const secrets = {
      DATABASE_URL: 'postgres://a:b@c/d',
      REDIS_URL: 'redis://e',
      AUTH_KEYS: `backend:${'0'.repeat(64)}`,
    };
    const environment = readEnvironment({ ...settings, ...secrets });
    expect(environment.METRICS_PORT).toBe(9090);
    expect(container.envFrom).toEqual([
      { configMapRef: { name: 'scrollback' } },
      { secretRef: { name: 'scrollback' } },
    ]);
    const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8');
    for (const name of Object.keys(secrets)) expect(readme).toContain(`--from-literal=${name}=`);
  });

  it('probes what the application serves, on the port of operators', () => {
    const ports = Object.fromEntries(container.ports!.map((port) => [port.name, String(port.containerPort)]));
    expect(ports).toEqual({ http: settings['PORT'], operations: settings['METRICS_PORT'] });
    for (const [probe, path] of [
      ['startupProbe', 'startup'],
      ['readinessProbe', 'ready'],
      ['livenessProbe', 'live'],
    ] as const) {
      expect(container[probe]!.httpGet).toEqual({ path: `/health/${path}`, port: 'operations' });
    }
    const warmMs = readEnvironment({}).CACHE_WARM_DEADLINE_MS;
    const { periodSeconds, failureThreshold } = container.startupProbe!;
    expect(periodSeconds! * failureThreshold! * 1000).toBeGreaterThan(2 * warmMs);
  });

  it('gives an instance the time that its end takes', () => {
    const preStopMs = Number(
      /setTimeout\(\(\) => \{\}, (\d+)\)/.exec(container.lifecycle!.preStop!.exec!.command!.at(-1)!)![1],
    );
    const limitMs = preStopMs + Number(settings['SHUTDOWN_TIMEOUT_MS']);
    expect(pod.terminationGracePeriodSeconds! * 1000).toBeGreaterThan(limitMs);
    // Readiness is asked for often enough for a drain to be noticed.
    expect(container.readinessProbe!.periodSeconds! * 1000).toBeLessThan(Number(settings['SHUTDOWN_DRAIN_MS']));
    expect(Number(settings['SHUTDOWN_TIMEOUT_MS'])).toBeGreaterThan(Number(settings['SHUTDOWN_DRAIN_MS']) + 15_000);
  });

  it('takes no more connections than PostgreSQL gives, also while a new version is rolled out', () => {
    const { COHERENCE_BUS, DATABASE_POOL_MAX } = readEnvironment({
      ...settings,
      REDIS_URL: 'redis://e',
      AUTH_KEYS: `backend:${'0'.repeat(64)}`,
    });
    // The pool, the probe, and the bus where that is PostgreSQL.
    const each = DATABASE_POOL_MAX + 1 + (COHERENCE_BUS === 'postgres' ? 2 : 0);
    const { maxReplicas } = of<IHorizontalPodAutoscaler>('horizontal-pod-autoscaler.yaml').spec!;
    const { maxSurge } = deployment.spec!.strategy!.rollingUpdate!;
    // Another one may be ending, and the new one has a session to migrate.
    const most = (maxReplicas + Number(maxSurge) + 1) * each + 1;
    expect(most).toBeLessThanOrEqual(MAX_CONNECTIONS - RESERVED_CONNECTIONS);
    expect(readFileSync(join(FOLDER, 'horizontal-pod-autoscaler.yaml'), 'utf8')).toContain(`= ${most} of`);
  });

  it('has rules that are a PrometheusRule as the README makes one of them', async () => {
    for (const name of ['recording', 'alerts']) {
      const rule = {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'PrometheusRule',
        metadata: { name: `scrollback-${name}` },
        spec: load(readFileSync(`deploy/prometheus/${name}.rules.yaml`, 'utf8')),
      };
      expect(await faultOf(rule)).toBeUndefined();
    }
  });

  it('has memory for the cache, the process and the collector', () => {
    const limit = parseByteSize(String(container.resources!.limits!['memory']).replace(/Gi$/, 'GiB'))!;
    // docs/operations.md: the budget and half of it, and 100 MB for the process.
    expect(limit).toBeGreaterThan(1.5 * parseByteSize(settings['CACHE_MAX_BYTES']!)! + 100 * 2 ** 20);
    expect(container.resources!.limits!['cpu']).toBeUndefined();
  });

  it('may do nothing that it need not', () => {
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(readFileSync('Dockerfile', 'utf8')).toContain(`USER ${pod.securityContext!.runAsUser}:`);
  });

  it('selects its own pods everywhere', () => {
    const { labels } = deployment.spec!.template.metadata!;
    expect(labels).toEqual({ [NAME_LABEL]: 'scrollback' });
    const { selector, ports } = of<IService>('service.yaml').spec!;
    const monitor = of<IServiceMonitor>('service-monitor.yaml').spec;
    expect(selector).toEqual(labels);
    expect(deployment.spec!.selector.matchLabels).toEqual(labels);
    expect(of<IPodDisruptionBudget>('pod-disruption-budget.yaml').spec!.selector!.matchLabels).toEqual(labels);
    expect(of<INetworkPolicy>('network-policy.yaml').spec!.podSelector!.matchLabels).toEqual(labels);
    expect(monitor.selector.matchLabels).toEqual(labels);
    expect(of<IHorizontalPodAutoscaler>('horizontal-pod-autoscaler.yaml').spec!.scaleTargetRef).toEqual({
      apiVersion: deployment.apiVersion,
      kind: deployment.kind,
      name: deployment.metadata!.name,
    });
    expect(ports!.map(({ targetPort }) => targetPort)).toEqual(container.ports!.map(({ name }) => name));
    expect(monitor.endpoints[0]!.port).toBe('operations');
  });
});
