/** What every query is limited to: the instances that the reader has chosen. */
const CHOSEN = 'job=~"$job",instance=~"$instance"';

/** Series of the chosen instances. `matchers` as in PromQL, without braces. */
export function series(metric: string, matchers = ''): string {
  return `${metric}{${[CHOSEN, matchers].filter(Boolean).join(',')}}`;
}

/** Increase per second of counters of the chosen instances. */
export function rate(metric: string, matchers = ''): string {
  return `rate(${series(metric, matchers)}[$__rate_interval])`;
}

/** Sum of what {@link rate} gives, by some labels. */
export function sumOfRates(metric: string, { by = '', matchers = '' } = {}): string {
  return `sum${by === '' ? '' : ` by (${by})`} (${rate(metric, matchers)})`;
}

/**
 * A quantile of a histogram of the chosen instances together, by some labels.
 *
 * @param histogram - its name without `_bucket`.
 */
export function quantile(share: number, histogram: string, { by = '', matchers = '' } = {}): string {
  const labels = ['le', by].filter(Boolean).join(', ');
  return `histogram_quantile(${share}, ${sumOfRates(`${histogram}_bucket`, { by: labels, matchers })})`;
}

/** Requests for the API, not for metrics and health. */
export const API_ROUTES = 'route=~"/v1/.*"';

/** Answers that are the server's fault. */
export const SERVER_ERRORS = `${API_ROUTES},status=~"5.."`;

/** Reads that might have been hits. */
const POSSIBLE_HITS = 'result!="bypass"';

/** Hits among the reads that might have been hits, 0 to 1, by some labels. */
export function hitRate(by = ''): string {
  const hits = sumOfRates('scrollback_cache_requests_total', { by, matchers: 'result="hit"' });
  const all = sumOfRates('scrollback_cache_requests_total', { by, matchers: POSSIBLE_HITS });
  return `${hits} / ${all}`;
}

/** Answers that are the server's fault among all, 0 to 1; 0 where there is none. */
export function errorRate(): string {
  const count = 'scrollback_http_request_duration_seconds_count';
  const errors = sumOfRates(count, { matchers: SERVER_ERRORS });
  return `(${errors} or vector(0)) / ${sumOfRates(count, { matchers: API_ROUTES })}`;
}

/** What was refused at the door because there was too much to do, among all that came, 0 to 1; 0 where nothing was answered either. */
export function overloadRate(): string {
  const refused = sumOfRates('scrollback_http_refusals_total', { matchers: 'cause="overload"' });
  const answered = sumOfRates('scrollback_http_request_duration_seconds_count', { matchers: API_ROUTES });
  return `${refused} / clamp_min(${refused} + (${answered} or vector(0)), 1e-9)`;
}
