import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { buildDashboards } from '../../deploy/grafana/src/dashboards.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';
import { InstanceProcess } from '../support/instance-process.js';
import { PrometheusServer, withTestWindows } from '../support/prometheus-server.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** The first time, the program may have to be fetched. */
const START_TIMEOUT_MS = 300_000;

/** Samples come every second; a window has to be full of them. */
const ANSWER_TIMEOUT_MS = 60_000;

/** New answers come with new samples. */
const SCRAPE_MS = 1000;

/** Between two rounds of requests: enough of them for every rate, and time for others on the machine. */
const ROUND_PAUSE_MS = 30;

const CHATS = 5;

/** An expression, and where it is from. */
interface Query {
  readonly from: string;
  readonly expression: string;
}

/** Requests of every kind for both instances, until it is told to stop. */
class Traffic {
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(private readonly instances: readonly InstanceProcess[]) {
    this.#running = this.#run();
  }

  /** @throws what a request has thrown. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const [first] = this.instances;
    const chats: string[] = [];
    for (let index = 0; index < CHATS; index++) {
      const participants = [{ userId: 'ann' }, { userId: 'ben' }];
      chats.push((await first!.api.createChat({ participants })).id);
    }
    for (let round = 0; !this.#isOver; round++) {
      const chatId = chats[round % CHATS]!;
      const writer = this.instances[round % this.instances.length]!.api;
      await writer.send(chatId, { senderId: 'ann', text: `text ${round}` });
      for (const { api } of this.instances) {
        await api.page(chatId);
        await api.get(`/v1/chats/${chatId}`);
        await api.get(`/v1/chats/${chatId}/participants`);
        await api.inbox('ben');
      }
      await writer.get('/v1/chats/01980000-0000-7000-8000-00000000dead');
      if (round % CHATS === 0) await writer.delete(`/v1/admin/cache/chats/${chatId}`);
      await delay(ROUND_PAUSE_MS);
    }
  }
}

/** An alert's condition as a value of 0 or 1, so that it tells something while all is well. */
function asValue(condition: string): string {
  return condition.replaceAll(/\{[^}]*\}|==|!=|<=|>=|<|>/g, (found) =>
    found.startsWith('{') ? found : `${found} bool`,
  );
}

/** The queries of every panel, and of every variable, with the choices of a reader filled in. */
function dashboardQueries(instance: string): Query[] {
  return [...buildDashboards()].flatMap(([file, { panels = [], templating }]) => {
    const chosen = file === 'instance.json' ? instance : '.*';
    const fillIn = (expression: string): string =>
      withTestWindows(expression).replaceAll('$job', 'scrollback').replaceAll('$instance', chosen);
    const ofPanels = panels.flatMap((panel) =>
      ((panel as { targets?: { expr: string }[] }).targets ?? []).map(({ expr }) => ({
        from: `${file}: ${panel.title}`,
        expression: fillIn(expr),
      })),
    );
    const ofVariables = (templating?.list ?? []).flatMap(({ name, definition = '' }) => {
      const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? [];
      if (series === undefined) return [];
      return [{ from: `${file}: variable ${name}`, expression: `count by (${label}) (${fillIn(series)})` }];
    });
    return [...ofPanels, ...ofVariables];
  });
}

function ruleQueries(file: string): Query[] {
  const { groups } = load(readFileSync(`deploy/prometheus/${file}`, 'utf8')) as {
    groups: { rules: { alert?: string; record?: string; expr: string }[] }[];
  };
  return groups.flatMap(({ rules }) =>
    rules.map(({ alert, record, expr }) => ({
      from: `${file}: ${alert ?? record}`,
      expression: withTestWindows(alert === undefined ? expr : asValue(expr)),
    })),
  );
}

describe('a Prometheus that scrapes two instances at work', () => {
  let database: TestDatabase;
  const instances: InstanceProcess[] = [];
  let prometheus: PrometheusServer;
  let traffic: Traffic;
  beforeAll(async () => {
    database = await createTestDatabase();
    for (let index = 0; index < 2; index++) {
      const environment = { DATABASE_URL: database.url, COHERENCE_BUS: 'postgres', CACHE_MAX_BYTES: '32MiB' };
      instances.push(await InstanceProcess.start(environment));
    }
    traffic = new Traffic(instances);
    prometheus = await PrometheusServer.start(instances.map(({ address }) => address));
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await traffic?.stop();
    await prometheus?.stop();
    for (const instance of instances) await instance.stop();
    await database?.drop();
  }, 60_000);

  /** What is wrong with the answer to a query; `undefined`: it has a number. */
  const faultOf = async ({ from, expression }: Query): Promise<string | undefined> => {
    try {
      const results = await prometheus.query(expression);
      if (results.length === 0) return `${from} is empty: ${expression}`;
      if (!results.some(({ value }) => Number.isFinite(value))) return `${from} has no number: ${expression}`;
      return undefined;
    } catch (error) {
      return `${from}: ${String(error)}`;
    }
  };
  /** The faults that remain when there has been time for samples. */
  const lastingFaults = async (queries: readonly Query[]): Promise<string[]> => {
    let faults: string[] = [];
    await waitUntil(async () => {
      faults = (await Promise.all(queries.map(faultOf))).filter((fault) => fault !== undefined);
      if (faults.length > 0) await delay(SCRAPE_MS);
      return faults.length === 0;
    }, ANSWER_TIMEOUT_MS);
    return faults;
  };

  it('has an answer to every query of every panel and variable', async () => {
    const queries = dashboardQueries(instances[0]!.address);
    expect(queries.length).toBeGreaterThan(60);
    expect(await lastingFaults(queries)).toEqual([]);
  }, 90_000);

  it('has an answer to every recording rule and to the condition of every alert', async () => {
    const queries = [...ruleQueries('recording.rules.yaml'), ...ruleQueries('alerts.rules.yaml')];
    expect(queries.length).toBeGreaterThan(20);
    expect(await lastingFaults(queries)).toEqual([]);
  }, 90_000);

  it('has recorded the value of every recording rule for each instance', async () => {
    const names = ruleQueries('recording.rules.yaml').map(({ from }) => from.split(': ')[1]!);
    const queries = names.flatMap((name) =>
      instances.map(({ address }) => ({ from: `${name} of ${address}`, expression: `${name}{instance="${address}"}` })),
    );
    expect(queries.length).toBeGreaterThan(20);
    expect(await lastingFaults(queries)).toEqual([]);
  }, 90_000);

  it('evaluates every rule without an error, and raises no alert while all is well', async () => {
    const count = ['recording.rules.yaml', 'alerts.rules.yaml'].flatMap(ruleQueries).length;
    await waitUntil(
      async () => (await prometheus.rules()).every(({ health }) => health !== 'unknown'),
      ANSWER_TIMEOUT_MS,
    );
    const rules = await prometheus.rules();
    expect(rules).toHaveLength(count);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules.filter(({ state }) => state === 'firing')).toEqual([]);
  }, 90_000);

  it('notices an instance that was killed', async () => {
    await traffic.stop();
    await instances[1]!.kill();
    const stateOf = async (alert: string): Promise<string | undefined> =>
      (await prometheus.rules()).find(({ name }) => name === alert)?.state;
    // It fires when a minute has passed; the rules' own tests see that.
    const isNoticed = async (): Promise<boolean> => (await stateOf('ScrollbackInstanceDown')) === 'pending';
    expect(await waitUntil(isNoticed, ANSWER_TIMEOUT_MS)).toBe(true);
  }, 90_000);
});
