import { AsyncLocalStorage } from 'node:async_hooks';
import type { Span } from './tracing.js';

/** What the running code works for: one request, or a batch of several. */
export interface Activity {
  /** One or more. */
  readonly requestIds: readonly string[];
  /** Of the trace that it belongs to; `undefined` when nobody traces it. */
  readonly traceId: string | undefined;
  /** Span that spans begun now belong under. */
  readonly span: Span | undefined;
}

let storage: AsyncLocalStorage<Activity> | undefined;

/** From now on activities are followed across awaits. Before, there never is one, and that costs nothing. */
export function followActivities(): void {
  storage ??= new AsyncLocalStorage();
}

/** Whether activities are followed. */
export function areActivitiesFollowed(): boolean {
  return storage !== undefined;
}

/** What the running code works for; `undefined` for work that no request has asked for, or when nobody follows. */
export function currentActivity(): Activity | undefined {
  return storage?.getStore();
}

/** Runs work for an activity. */
export function runFor<T>(activity: Activity | undefined, work: () => T): T {
  return storage === undefined ? work() : storage.run(activity as Activity, work);
}
