import type { DataSourceRef } from '@grafana/grafana-foundation-sdk/common';
import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';

/** The Prometheus that the reader has chosen. */
export const DATA_SOURCE: DataSourceRef = { type: 'prometheus', uid: '${datasource}' };

/** A metric that every instance has from its start. */
const PRESENT = 'scrollback_cache_max_bytes';

const ALL = { selected: true, text: ['All'], value: ['$__all'] };

/** The choice of the Prometheus. */
export function dataSourceVariable(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus');
}

/** The choice of jobs: as they are called in the configuration of Prometheus. */
export function jobVariable(): QueryVariableBuilder {
  return labelValues('job', `label_values(${PRESENT}, job)`).label('Job').multi(true).includeAll(true).current(ALL);
}

/** The choice of several instances, or of one. */
export function instanceVariable(isOneOnly: boolean): QueryVariableBuilder {
  const variable = labelValues('instance', `label_values(${PRESENT}{job=~"$job"}, instance)`).label('Instance');
  return isOneOnly ? variable.multi(false).includeAll(false) : variable.multi(true).includeAll(true).current(ALL);
}

function labelValues(name: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .datasource(DATA_SOURCE)
    .query({ query, refId: name })
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
}
