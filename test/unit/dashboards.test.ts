import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { buildDashboards, DASHBOARD_FOLDER, renderDashboard } from '../../deploy/grafana/src/dashboards.js';

/** What is looked at of a generated panel. */
interface PanelJson {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null; readonly color: string }[] };
    };
  };
}

interface DashboardJson {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly PanelJson[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly multi: boolean }[];
  };
}

/** Units of amounts and rates of events: what is much of them depends on who reads and writes. */
const WITHOUT_LIMITS = ['bytes', 'short', 'reqps', 'ops', 'cps'];

const FILES = ['overview.json', 'coherence.json', 'instance.json'];

function read(file: string): DashboardJson {
  return JSON.parse(readFileSync(join(DASHBOARD_FOLDER, file), 'utf8')) as DashboardJson;
}

function overlap(a: PanelJson['gridPos'], b: PanelJson['gridPos']): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('the dashboards', () => {
  it('are in deploy/grafana what their source makes of them (npm run dashboards)', () => {
    const built = buildDashboards();
    expect([...built.keys()]).toEqual(FILES);
    expect(
      readdirSync(DASHBOARD_FOLDER)
        .filter((name) => name.endsWith('.json'))
        .sort(),
    ).toEqual([...FILES].sort());
    for (const [file, dashboard] of built) {
      expect(readFileSync(join(DASHBOARD_FOLDER, file), 'utf8')).toBe(renderDashboard(dashboard));
    }
  });

  it('have addresses and titles of their own', () => {
    expect(FILES.map((file) => read(file).uid)).toEqual([
      'scrollback-overview',
      'scrollback-coherence',
      'scrollback-instance',
    ]);
    expect(new Set(FILES.map((file) => read(file).title)).size).toBe(FILES.length);
  });

  describe.each(FILES)('%s', (file) => {
    const { panels, templating } = read(file);
    const content = panels.filter(({ type }) => type !== 'row');

    it('lets the reader choose the Prometheus, the jobs and the instances', () => {
      expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
        ['datasource', 'datasource'],
        ['job', 'query'],
        ['instance', 'query'],
      ]);
      expect(templating.list[2]!.multi).toBe(file !== 'instance.json');
    });

    it('limits every query to what was chosen, and takes the width of rates from the zoom', () => {
      const queries = content.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
      expect(queries.length).toBeGreaterThanOrEqual(content.length);
      for (const query of queries) {
        const selectors = [...query.matchAll(/\b(?:scrollback|process|nodejs)_\w+(\{[^}]*\})?/g)];
        expect(selectors.length + Number(query.includes('up{'))).toBeGreaterThan(0);
        for (const [, matchers] of selectors) expect(matchers).toContain('job=~"$job",instance=~"$instance"');
        for (const [, window] of query.matchAll(/\[([^\]]*)\]/g)) expect(window).toBe('$__rate_interval');
      }
    });

    it('says of every panel what it is, in which unit, and what to do when it is not as it should be', () => {
      expect(content.length).toBeGreaterThan(5);
      for (const { title, description, targets = [], fieldConfig } of content) {
        expect({ title, description }).toEqual({ title, description: expect.stringMatching(/ if [^.]{10,}/i) });
        expect({ title, unit: fieldConfig?.defaults.unit }).toEqual({ title, unit: expect.stringMatching(/^\w+$/) });
        expect(targets.length).toBeGreaterThan(0);
        expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      }
    });

    it('has limits, ascending, on every panel but those of amounts and of rates of events', () => {
      for (const { title, fieldConfig } of content) {
        const steps = fieldConfig?.defaults.thresholds?.steps ?? [];
        const [first, ...others] = steps.map(({ value }) => value);
        expect({ title, first }).toEqual({ title, first: null });
        expect({ title, values: others }).toEqual({ title, values: [...others].sort((a, b) => a! - b!) });
        expect(steps.map(({ color }) => color)).toContain('green');
        if (!WITHOUT_LIMITS.includes(fieldConfig!.defaults.unit!)) {
          expect({ title, limits: others.length > 0 }).toEqual({ title, limits: true });
        }
      }
    });

    it('points only to documents that exist', () => {
      for (const { description = '' } of content) {
        for (const [path] of description.matchAll(/docs\/[\w/-]+\.md/g)) {
          expect({ path, exists: existsSync(path) }).toEqual({ path, exists: true });
        }
      }
    });

    it('gives every panel a number and a place of its own within the width', () => {
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
      for (const [index, { title, gridPos }] of panels.entries()) {
        expect({ title, right: gridPos.x + gridPos.w <= 24 }).toEqual({ title, right: true });
        const covered = panels.slice(index + 1).filter((other) => overlap(gridPos, other.gridPos));
        expect({ title, covered: covered.map((other) => other.title) }).toEqual({ title, covered: [] });
      }
    });
  });
});
