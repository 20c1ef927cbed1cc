import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  RowBuilder,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { coherenceSections } from './coherence-sections.js';
import { instanceSections } from './instance-sections.js';
import { overviewSections } from './overview-sections.js';
import type { Section } from './panels.js';
import { dataSourceVariable, instanceVariable, jobVariable } from './variables.js';

/** Where the generated files are, from the root of the repository. */
export const DASHBOARD_FOLDER = 'deploy/grafana';

const TAG = 'scrollback';

interface Page {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly sections: readonly Section[];
  /** Shows one instance at a time. */
  readonly isOneInstance?: boolean;
}

const PAGES: readonly Page[] = [
  {
    name: 'overview',
    title: 'Scrollback: overview',
    description: 'How all instances together are doing: hit rate, memory, requests, write path.',
    sections: overviewSections,
  },
  {
    name: 'coherence',
    title: 'Scrollback: coherence',
    description: 'Whether instances agree with the database and with each other, and what that costs.',
    sections: coherenceSections,
  },
  {
    name: 'instance',
    title: 'Scrollback: instance',
    description: 'One instance: its start, its process, its work.',
    sections: instanceSections,
    isOneInstance: true,
  },
];

/** Every dashboard by the name of its file. */
export function buildDashboards(): ReadonlyMap<string, Dashboard> {
  return new Map(PAGES.map((page) => [`${page.name}.json`, build(page)]));
}

/** The text of a dashboard's file. */
export function renderDashboard(dashboard: Dashboard): string {
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

function build({ name, title, description, sections, isOneInstance = false }: Page): Dashboard {
  const builder = new DashboardBuilder(title)
    .uid(`scrollback-${name}`)
    .description(description)
    .tags([TAG])
    .time({ from: 'now-3h', to: 'now' })
    .timezone('browser')
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(dataSourceVariable())
    .withVariable(jobVariable())
    .withVariable(instanceVariable(isOneInstance))
    .link(
      new DashboardLinkBuilder('Scrollback')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    );
  for (const section of sections) {
    builder.withRow(new RowBuilder(section.title));
    for (const panel of section.panels) builder.withPanel(panel);
  }
  const dashboard = builder.build();
  // Numbered by place: Grafana gives numbers of its own to panels without, and links to them change with every import.
  const panels = (dashboard.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 }));
  return { ...dashboard, panels };
}
