import { coherenceModel } from './coherence-model.js';
import { explore } from './explorer.js';
import { FLAWED_SCENARIOS, LARGER_SCENARIOS, SCENARIOS } from './scenarios.js';

/** States that fit into the memory that a Map of short keys may take. */
const MAX_STATES = 16_000_000;

const isLarger = process.argv.includes('--larger');
let hasFailed = false;
for (const scenario of isLarger ? [...SCENARIOS, ...LARGER_SCENARIOS] : SCENARIOS) {
  const startedAt = performance.now();
  const { states, steps, failure } = explore(coherenceModel(scenario), MAX_STATES);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  hasFailed ||= failure !== undefined;
  print(`${scenario.name}: ${states} states, ${steps} steps, ${seconds} s, ${failure?.reason ?? 'nothing wrong'}`);
  for (const label of failure?.trace ?? []) print(`    ${label}`);
}
for (const scenario of FLAWED_SCENARIOS) {
  const { states, failure } = explore(coherenceModel(scenario), MAX_STATES);
  hasFailed ||= failure === undefined;
  print(`flaw "${scenario.flaw}": ${failure?.reason ?? 'NOT FOUND'} (${states} states)`);
  for (const label of failure?.trace ?? []) print(`    ${label}`);
}
process.exitCode = hasFailed ? 1 : 0;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
