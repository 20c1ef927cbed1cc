import { graph, stat, type Section } from './panels.js';
import { quantile, series, sumOfRates } from './queries.js';

const LAG = 'scrollback_coherence_apply_lag_seconds';
const AGE = 'scrollback_coherence_last_confirmed_seconds';
const BOUND = 'scrollback_coherence_staleness_bound_seconds';

const promises: Section = {
  title: 'What is promised',
  panels: [
    stat({
      title: 'In doubt',
      description:
        'Instances that cannot confirm that what they hold is current. If it is not 0: docs/runbooks/in-doubt.md.',
      unit: 'short',
      queries: { instances: `sum(${series('scrollback_coherence_in_doubt')})` },
      limits: { act: 1 },
      width: 6,
    }),
    stat({
      title: 'Longest without confirmation',
      description:
        'Age of the oldest confirmation. About COHERENCE_POLL_MS is normal. If it comes near STALENESS_BOUND_MS (5 s unless set), polls are slow or fail: docs/runbooks/in-doubt.md.',
      unit: 's',
      queries: { age: `max(${series(AGE)})` },
      limits: { warn: 2.5, act: 5 },
      width: 6,
    }),
    stat({
      title: 'Divergence',
      description:
        'Answers that contradicted the database, since the instances’ start. It must be 0; if it is not: docs/runbooks/divergence.md.',
      unit: 'short',
      queries: { answers: `sum(${series('scrollback_cache_divergence_total')})` },
      limits: { act: 1 },
      width: 6,
    }),
    stat({
      title: 'Stale answers',
      description:
        'Reads answered with what could not be confirmed, marked detail=stale. If it is not 0, the database could not be asked: docs/runbooks/in-doubt.md.',
      unit: 'reqps',
      queries: { stale: sumOfRates('scrollback_cache_requests_total', { matchers: 'result="stale"' }) },
      limits: { act: 0.001 },
      width: 6,
    }),
  ],
};

const position: Section = {
  title: 'Confirmation by polls',
  panels: [
    graph({
      title: 'Time since confirmation, against the bound',
      description:
        'How long ago each instance was last known to be current, as a part of its STALENESS_BOUND_MS; past 1 it is in doubt. If one instance alone is high, it is that process or its network; if all are, the database.',
      unit: 'percentunit',
      queries: { '{{instance}}': `${series(AGE)} / ${series(BOUND)}` },
      limits: { warn: 0.5, act: 1 },
      width: 12,
    }),
    graph({
      title: 'Instances in doubt',
      description:
        '1 while an instance cannot tell whether what it holds is current. If it stays 1: docs/runbooks/in-doubt.md.',
      unit: 'none',
      queries: { '{{instance}}': series('scrollback_coherence_in_doubt') },
      limits: { act: 1 },
      max: 1,
      width: 12,
    }),
  ],
};

const changes: Section = {
  title: 'Changes of others',
  panels: [
    graph({
      title: 'From publishing to applying',
      description:
        'Time from a peer’s publishing of a change to its applying here. A few milliseconds are normal. If it grows, the bus is slow or the clocks differ; if it is empty with several instances, the bus is away and polls do its work.',
      unit: 's',
      queries: { p50: quantile(0.5, LAG), p99: quantile(0.99, LAG) },
      limits: { warn: 0.25, act: 1 },
    }),
    graph({
      title: 'Changes applied',
      description:
        'Changes of peers applied from the bus. It follows the writes of the other instances to chats that are held here. If it is 0 while they write, check the bus: Redis or LISTEN connections, COHERENCE_BUS.',
      unit: 'ops',
      queries: { '{{instance}}': sumOfRates(`${LAG}_count`, { by: 'instance' }) },
    }),
    graph({
      title: 'Repairs',
      description:
        'Entries brought up to date by a query, by how it became known. Some by poll follow writes by hand. If gap or poll go on at the rate of the writes, the bus loses messages: check it.',
      unit: 'cps',
      queries: { '{{cause}}': sumOfRates('scrollback_coherence_repairs_total', { by: 'cause' }) },
    }),
  ],
};

const cost: Section = {
  title: 'What it costs',
  panels: [
    graph({
      title: 'Statements for coherence',
      description:
        'Polls and repairs. About one a second for each instance is the poll. If it is ten a second, the bus is suspect and polls come faster until it is well again.',
      unit: 'ops',
      queries: {
        '{{instance}}': sumOfRates('scrollback_database_queries_total', {
          by: 'instance',
          matchers: 'path="coherence"',
        }),
      },
      width: 12,
    }),
    graph({
      title: 'Divergence found',
      description:
        'Answers that contradicted the database, by instance, since its start. If one rises, take that instance out, verify it, and report it with what verify tells: docs/runbooks/divergence.md.',
      unit: 'short',
      queries: { '{{instance}}': series('scrollback_cache_divergence_total') },
      limits: { act: 1 },
      width: 12,
    }),
  ],
};

/** Whether instances agree with the database and with each other. */
export const coherenceSections: readonly Section[] = [promises, position, changes, cost];
