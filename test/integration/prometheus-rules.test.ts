import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { findPrometheusProgram, NoPrometheusError } from '../support/prometheus-program.js';

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface RuleTest {
  readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
  readonly promql_expr_test?: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
}

/** The first time, the program may have to be fetched. */
const FETCH_TIMEOUT_MS = 240_000;

const FOLDER = 'deploy/prometheus';
const RUNBOOKS = 'docs/runbooks';

function rulesOf(file: string): Rule[] {
  const { groups } = load(readFileSync(join(FOLDER, file), 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

function testsOf(file: string): RuleTest[] {
  return (load(readFileSync(join(FOLDER, file), 'utf8')) as { tests: RuleTest[] }).tests;
}

describe('the rules for Prometheus', () => {
  const alerts = rulesOf('alerts.rules.yaml');
  const records = rulesOf('recording.rules.yaml');
  let promtool: (...args: string[]) => Promise<string>;
  beforeAll(async () => {
    const { path, environment } = await findPrometheusProgram('promtool');
    promtool = async (...args) => {
      const { stdout } = await promisify(execFile)(path, args, { env: { ...process.env, ...environment } });
      return stdout;
    };
  }, FETCH_TIMEOUT_MS);

  it('are valid, with the configuration that names them', async () => {
    const said = await promtool('check', 'config', join(FOLDER, 'prometheus.yaml'));
    expect(said).toContain(`${alerts.length} rules found`);
    expect(said).toContain(`${records.length} rules found`);
  });

  it('pass their tests', async () => {
    const files = readdirSync(FOLDER).filter((name) => name.endsWith('.test.yaml'));
    expect(files.sort()).toEqual(['alerts.test.yaml', 'recording.test.yaml']);
    const said = await promtool('test', 'rules', ...files.map((file) => join(FOLDER, file)));
    expect(said.match(/SUCCESS/g)).toHaveLength(files.length);
  });

  it('have a test that sees each alert silent and firing', () => {
    const cases = testsOf('alerts.test.yaml').flatMap(({ alert_rule_test: each = [] }) => each);
    for (const { alert } of alerts) {
      const outcomes = cases
        .filter(({ alertname }) => alertname === alert)
        .map(({ exp_alerts: all }) => all.length > 0);
      expect({ alert, outcomes: [...new Set(outcomes)].sort() }).toEqual({ alert, outcomes: [false, true] });
    }
  });

  it('have a test of each recorded value', () => {
    const tested = testsOf('recording.test.yaml').flatMap(({ promql_expr_test: each = [] }) => each);
    for (const { record } of records) {
      const samples = tested.filter(({ expr }) => expr.includes(record!)).flatMap(({ exp_samples: all }) => all);
      expect({ record, isTested: samples.length > 0 }).toEqual({ record, isTested: true });
    }
  });

  it('have a page with causes, checks and cures for each alert, and no others', () => {
    const pages = alerts.map(({ alert, annotations }) => {
      const page = annotations!['runbook']!;
      const text = readFileSync(page, 'utf8');
      expect(text.split('\n')[0]).toContain(alert);
      for (const heading of ['## Causes', '## Check', '## Cure']) {
        const content = text.split(`\n${heading}\n`)[1]?.split('\n## ')[0]?.trim() ?? '';
        expect({ page, heading, isLong: content.length > 80 }).toEqual({ page, heading, isLong: true });
      }
      return page;
    });
    const files = readdirSync(RUNBOOKS).filter((name) => name !== 'README.md');
    expect([...new Set(pages)].sort()).toEqual(files.map((name) => join(RUNBOOKS, name)).sort());
  });

  it('are listed with their severity and page', () => {
    const rows = readFileSync(join(RUNBOOKS, 'README.md'), 'utf8').matchAll(
      /^\| `(\w+)` \| (\w+) \| \[(.+)\]\(\3\) \|$/gm,
    );
    expect([...rows].map(([, alert, severity, page]) => [alert, severity, join(RUNBOOKS, page!)])).toEqual(
      alerts.map(({ alert, labels, annotations }) => [alert, labels!['severity'], annotations!['runbook']]),
    );
  });

  it('say what to do when there is no Prometheus to test them', async () => {
    const search = { environment: { PATH: '/nowhere', HOME: '/nowhere' } };
    await expect(findPrometheusProgram('promtool', search)).rejects.toThrow(NoPrometheusError);
    await expect(findPrometheusProgram('promtool', search)).rejects.toThrow(/apt-get install prometheus/);
  });
});
