import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Metrics } from '../../src/metrics/metrics.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { startTestInstance, type TestInstance } from '../support/test-instance.js';
import { untilWarm } from './until-warm.js';

/** A metric with its type and its labels; for labels of a closed list their values, sorted. */
interface Shape {
  readonly type: string;
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

/** A line of the text format. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What depends on what has been asked, or on Node: the documentation names the label alone. */
const OPEN_LABELS = ['method', 'route', 'status', 'type', 'space', 'version', 'major', 'minor', 'patch'];

function samplesOf(text: string): Sample[] {
  return [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({
    name: name!,
    labels: Object.fromEntries(
      [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, each]) => [key!, each!]),
    ),
    value: Number(value),
  }));
}

/** The metrics of a scrape by name. */
function shapesOf(text: string): Map<string, Shape> {
  const samples = samplesOf(text);
  const shapes = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]): [string, Shape] => {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    const values = new Map<string, Set<string>>();
    for (const sample of samples.filter((each) => suffixes.some((suffix) => each.name === `${name}${suffix}`))) {
      for (const [label, value] of Object.entries(sample.labels)) {
        if (label === 'le' && type === 'histogram') continue;
        values.set(label, (values.get(label) ?? new Set()).add(value));
      }
    }
    const labels = [...values].map(([label, all]) => [label, OPEN_LABELS.includes(label) ? [] : [...all].sort()]);
    return [name!, { type: type!, labels: Object.fromEntries(labels) as Shape['labels'] }];
  });
  return new Map(shapes);
}

/** The metrics of docs/metrics.md by name, but for those of another platform. */
function documented(): Map<string, Shape> {
  const rows = readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$/gm);
  const shapes = [...rows]
    .filter(([, , , , meaning]) => process.platform === 'linux' || !meaning!.endsWith('(Linux)'))
    .map(([, name, type, cell]): [string, Shape] => {
      const labels = [...cell!.matchAll(/`(\w+)`(?:: ([\w, ]+))?/g)].map(([, label, values]) => [
        label!,
        values?.split(', ').sort() ?? [],
      ]);
      return [name!, { type: type!, labels: Object.fromEntries(labels) as Shape['labels'] }];
    });
  return new Map(shapes);
}

describe('GET /metrics', () => {
  let running: TestInstance;
  beforeAll(async () => {
    running = await startTestInstance({ WRITE_QUEUE_MAX: '7', STALENESS_BOUND_MS: '4000' });
    await untilWarm(running.api);
  });
  afterAll(() => running.close());

  const scrape = async (): Promise<string> => (await running.api.get<string>('/metrics')).body;
  const valueOf = async (name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> =>
    samplesOf(await scrape()).find(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )?.value;

  it('has the metrics, types, labels and values of labels that docs/metrics.md lists, and no others', async () => {
    // What a request was is known with the first one.
    await scrape();
    const actual = shapesOf(await scrape());
    const expected = documented();
    expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, shape] of expected) {
      // Nothing waits in libuv at most times: there is no series then.
      if (name === 'nodejs_active_requests') continue;
      expect({ name, ...actual.get(name) }).toEqual({ name, ...shape });
    }
  });

  it('explains every metric', async () => {
    const text = await scrape();
    const helped = [...text.matchAll(/^# HELP (\w+) \S/gm)].map(([, name]) => name);
    expect(helped.length).toBeGreaterThan(50);
    expect(helped).toEqual([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name));
  });

  it('has a series for every value of a closed list before anything has happened', async () => {
    const fresh = await startTestInstance();
    try {
      const samples = samplesOf((await fresh.api.get<string>('/metrics')).body);
      const reads = samples.filter(({ name }) => name === 'scrollback_cache_requests_total');
      expect(reads).toHaveLength(4 * 4);
      expect(reads.every(({ value }) => value === 0)).toBe(true);
      const collections = samples.filter(({ name }) => name === 'nodejs_gc_duration_seconds_count');
      expect(collections.map(({ labels }) => labels['kind']).sort()).toEqual([
        'incremental',
        'major',
        'minor',
        'weakcb',
      ]);
    } finally {
      await fresh.close();
    }
  });

  it('gets no series by chats, users, texts and addresses that nobody has seen before', async () => {
    const shapeOfTraffic = async (name: string): Promise<void> => {
      const { id } = await running.api.as(`ann ${name}`).createChat({ title: name });
      await running.api.as(`ann ${name}`).send(id, { text: name });
      await running.api.page(id, `?limit=${name.length}`);
      await running.api.inbox(`ann ${name}`);
      await running.api.get(`/no/such/route/${name}`);
    };
    const seriesOf = async (): Promise<string[]> =>
      samplesOf(await scrape())
        .filter(({ name }) => name.startsWith('scrollback_'))
        .map(({ name, labels }) => JSON.stringify([name, labels]));
    await shapeOfTraffic('a');
    await scrape();
    const before = await seriesOf();
    for (const name of ['b', 'cc', 'ddd', 'eeee']) await shapeOfTraffic(name);
    expect(await seriesOf()).toEqual(before);
  });

  it('counts reads by what they were of and how they were answered', async () => {
    const { id } = await running.api.as('ben').createChat({});
    await running.api.page(id);
    const hits = { cache: 'messages', result: 'hit' };
    const before = (await valueOf('scrollback_cache_requests_total', hits))!;
    for (let index = 0; index < 5; index++) await running.api.page(id);
    expect(await valueOf('scrollback_cache_requests_total', hits)).toBe(before + 5);
    await running.api.delete(`/v1/admin/cache/chats/${id}`);
    const misses = { cache: 'messages', result: 'miss' };
    const missesBefore = (await valueOf('scrollback_cache_requests_total', misses))!;
    const loadsBefore = (await valueOf('scrollback_cache_load_duration_seconds_count'))!;
    await running.api.page(id);
    expect(await valueOf('scrollback_cache_requests_total', misses)).toBe(missesBefore + 1);
    expect(await valueOf('scrollback_cache_load_duration_seconds_count')).toBeGreaterThan(loadsBefore);
  });

  it('tells the limits beside what they limit, and where warming stands', async () => {
    expect(await valueOf('scrollback_write_queue_max')).toBe(7);
    expect(await valueOf('scrollback_coherence_staleness_bound_seconds')).toBe(4);
    expect(await valueOf('scrollback_cache_max_bytes')).toBe(64 * 2 ** 20);
    expect(await valueOf('scrollback_cache_warm_state', { state: 'warm' })).toBe(1);
    expect(await valueOf('scrollback_cache_warm_state', { state: 'warming' })).toBe(0);
  });

  it('counts operations that wait, and those refused by a full queue', async () => {
    const { id } = await running.api.as('cat').createChat({});
    const before = (await valueOf('scrollback_write_refusals_total'))!;
    const send = async (text: string): Promise<number> =>
      (await running.api.post(`/v1/chats/${id}/messages`, { senderId: 'cat', text })).status;
    await running.database.query('BEGIN');
    try {
      await running.database.query('SELECT FROM chat_head WHERE chat_id = $1 FOR UPDATE', [id]);
      const waiting = Array.from({ length: 7 }, (_, index) => send(String(index)));
      expect(await waitUntil(async () => (await valueOf('scrollback_write_queue_length')) === 7, 10_000)).toBe(true);
      expect([await send('eighth'), await send('ninth')]).toEqual([503, 503]);
      expect(await valueOf('scrollback_write_refusals_total')).toBe(before + 2);
      await running.database.query('COMMIT');
      expect(await Promise.all(waiting)).toEqual(Array(7).fill(201));
    } finally {
      await running.database.query('ROLLBACK');
    }
    expect(await waitUntil(async () => (await valueOf('scrollback_write_queue_length')) === 0, 10_000)).toBe(true);
  });

  it('counts a request in the first bucket that its time does not exceed', async () => {
    const metrics = running.instance.app.get(Metrics);
    const route = '/only/here';
    for (const seconds of [0.00025, 0.0003, 0.04, 9]) metrics.observeRequest('GET', route, 200, seconds);
    metrics.observeRequest('GET', route, 503, 0.04);
    metrics.observeRequest('PUT', route, 200, 0.04);
    const samples = samplesOf(await scrape()).filter(({ labels }) => labels['route'] === route);
    const buckets = (method: string, status: string): (number | string)[][] =>
      samples
        .filter(({ labels }) => labels['method'] === method && labels['status'] === status && 'le' in labels)
        .map(({ labels, value }) => [labels['le']!, value]);
    expect(Object.fromEntries(buckets('GET', '200'))).toMatchObject({
      0.00025: 1,
      0.0005: 2,
      0.025: 2,
      0.05: 3,
      2.5: 3,
    });
    expect(buckets('GET', '200').at(-1)).toEqual(['+Inf', 4]);
    expect(buckets('GET', '503').at(-1)).toEqual(['+Inf', 1]);
    expect(buckets('PUT', '200').at(-1)).toEqual(['+Inf', 1]);
    const sum = samples.find(({ name, labels }) => name.endsWith('_sum') && labels['status'] === '503');
    expect(sum?.value).toBe(0.04);
  });
});
