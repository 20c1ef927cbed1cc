import type { HistoryAnswer } from './history.js';

/** One line about an answer, with all that is needed to look for it. */
export function describe({ kind, client, instance, chatId, invokedMs, returnedMs, version }: HistoryAnswer): string {
  const where = instance === undefined ? 'the database' : `instance ${instance}`;
  const times = `${invokedMs.toFixed(1)} to ${returnedMs.toFixed(1)} ms`;
  return `${kind} of chat ${chatId} by client ${client} at ${where}, ${times}: version ${version}`;
}

/** Groups answers by chat. */
export function groupByChat<T extends HistoryAnswer>(answers: readonly T[]): Map<string, T[]> {
  return groupBy(answers, ({ chatId }) => chatId);
}

/** Groups items, in their order. */
export function groupBy<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
