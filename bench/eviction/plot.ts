import { EVICTION_POLICIES, type EvictionPolicyName } from '../../src/cache/local/eviction/eviction-policy.js';
import type { Replay } from './report.js';

const PANEL_WIDTH = 420;
const PANEL_LEFT = 96;
const ROW_HEIGHT = 40;
const TOP = 76;
const PLOT_WIDTH = 270;
const TITLES = { own: 'Objects of different sizes', one: 'Objects of one size' };
const BESTS = { own: 'upper bound', one: 'Bélády' };
/** Legible on white and on black. */
const COLORS: Record<EvictionPolicyName, string> = {
  'w-tinylfu': '#d9480f',
  's3-fifo': '#1c7ed6',
  sieve: '#2f9e44',
  lru: '#868e96',
};

/**
 * Draws the hit ratios as dots on a line for each trace, from LRU's worst to the optimum: what a policy wins is small beside what
 * all of them have, so every line has a scale of its own, from the lowest to the best.
 */
export function plot(replays: readonly Replay[]): string {
  const panels = (['own', 'one'] as const).map((sizes) => replays.filter((each) => each.sizes === sizes));
  const height = TOP + panels[0]!.length * ROW_HEIGHT + 16;
  const width = PANEL_WIDTH * panels.length;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>Hit ratio by policy and trace at a budget of ${replays[0]!.budget * 100} % of the working set</title>
<style>text { fill: #24292f } .faint { fill: #57606a } .axis { stroke: #8c959f } @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .faint { fill: #9198a1 } }</style>
${legend()}
${panels.map((panel, at) => panelOf(panel, at * PANEL_WIDTH)).join('\n')}
</svg>
`;
}

function legend(): string {
  const entries = EVICTION_POLICIES.map((name, at) => {
    const x = 16 + at * 96;
    return `<circle cx="${x}" cy="18" r="5" fill="${COLORS[name]}"/><text x="${x + 10}" y="22">${name}</text>`;
  });
  return `${entries.join('\n')}\n<text class="faint" x="400" y="22">│ optimum, or its bound; each line has its own scale (hit ratio, %)</text>`;
}

function panelOf(panel: readonly Replay[], left: number): string {
  const { sizes } = panel[0]!;
  const title = `<text x="${left + 16}" y="56" font-weight="600">${TITLES[sizes]} <tspan class="faint" font-weight="400">(│ ${BESTS[sizes]})</tspan></text>`;
  return [title, ...panel.map((each, at) => rowOf(each, left, TOP + at * ROW_HEIGHT + 12))].join('\n');
}

function rowOf({ trace, ratios, bestRatio }: Replay, left: number, y: number): string {
  const lowest = Math.min(...ratios.values());
  const from = left + PANEL_LEFT;
  const room = bestRatio - lowest;
  const xOf = (ratio: number): number => Math.round(from + (room < 0.0001 ? 1 : (ratio - lowest) / room) * PLOT_WIDTH);
  const dots = EVICTION_POLICIES.toReversed().map(
    (name) => `<circle cx="${xOf(ratios.get(name)!)}" cy="${y}" r="5" fill="${COLORS[name]}" fill-opacity="0.9"/>`,
  );
  const end = from + PLOT_WIDTH;
  return [
    `<text x="${left + 16}" y="${y + 4}">${trace}</text>`,
    `<line class="axis" x1="${from}" y1="${y}" x2="${end}" y2="${y}"/>`,
    `<line class="axis" x1="${end}" y1="${y - 8}" x2="${end}" y2="${y + 8}" stroke-width="2"/>`,
    ...dots,
    `<text class="faint" x="${from}" y="${y + 19}" font-size="10">${(lowest * 100).toFixed(1)}</text>`,
    `<text class="faint" x="${end}" y="${y + 19}" font-size="10" text-anchor="end">${(bestRatio * 100).toFixed(1)}</text>`,
  ].join('\n');
}
