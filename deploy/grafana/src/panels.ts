import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type Panel,
  type Threshold,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { DATA_SOURCE } from './variables.js';

/** Grafana's names of the units that are used here. */
export type PanelUnit = 'percentunit' | 'bytes' | 's' | 'short' | 'none' | 'reqps' | 'ops' | 'cps';

/** Where a value begins to be worth a look, and where it asks for something to be done. */
export interface Limits {
  readonly warn?: number;
  readonly act?: number;
  /** The values below are the bad ones, as with a hit rate. */
  readonly isLowBad?: boolean;
}

/** What a panel shows. */
export interface PanelContent {
  readonly title: string;
  /** What it is, what good looks like, and what to do when it is not. */
  readonly description: string;
  readonly unit: PanelUnit;
  /** PromQL by the legend of what it gives; `{{label}}` stands for a label's value. */
  readonly queries: Readonly<Record<string, string>>;
  /** Absent for amounts and rates of events: what is much depends on who reads and writes. */
  readonly limits?: Limits;
  /** Width in 24ths of the dashboard's. */
  readonly width?: number;
  readonly max?: number;
}

/** A row of a dashboard. */
export interface Section {
  readonly title: string;
  readonly panels: readonly Builder<Panel>[];
}

const GRAPH_HEIGHT = 8;
const STAT_HEIGHT = 4;

const GOOD = 'green';
const WARN = 'orange';
const ACT = 'red';

/** Values over time. */
export function graph(content: PanelContent): Builder<Panel> {
  const { limits } = content;
  const builder = new GraphBuilder()
    .height(GRAPH_HEIGHT)
    .span(content.width ?? 8)
    .min(0)
    .lineWidth(1)
    .fillOpacity(8)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (limits !== undefined)
    builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  return fill(builder, content);
}

/** The last value, large. */
export function stat(content: PanelContent): Builder<Panel> {
  const builder = new StatBuilder()
    .height(STAT_HEIGHT)
    .span(content.width ?? 4)
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.Area)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false));
  return fill(builder, content);
}

function fill<Panels extends GraphBuilder | StatBuilder>(builder: Panels, content: PanelContent): Panels {
  builder
    .title(content.title)
    .description(content.description)
    .datasource(DATA_SOURCE)
    .unit(content.unit)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(stepsOf(content.limits)));
  if (content.max !== undefined) builder.max(content.max);
  for (const [index, [legend, expr]] of Object.entries(content.queries).entries()) {
    builder.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + index))
        .datasource(DATA_SOURCE)
        .expr(expr)
        .legendFormat(legend)
        .range(),
    );
  }
  return builder;
}

/** Grafana's steps: ascending, the first without a value, each with the colour that holds from its value upwards. */
function stepsOf({ warn, act, isLowBad = false }: Limits = {}): Threshold[] {
  const limits = [
    { value: warn, color: WARN },
    { value: act, color: ACT },
  ].filter((limit): limit is { value: number; color: string } => limit.value !== undefined);
  if (!isLowBad) return [{ value: null, color: GOOD }, ...limits];
  const ascending = limits.reverse();
  const colors = [...ascending.map(({ color }) => color), GOOD];
  return colors.map((color, index) => ({ value: ascending[index - 1]?.value ?? null, color }));
}
