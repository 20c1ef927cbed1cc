/** What an exhaustive search needs to know of a system. */
export interface System<State> {
  readonly initial: State;
  /** Everything that can happen in a state. States that come out must not share what is changed later. */
  next(state: State): Iterable<Step<State>>;
  /** A short text that is equal for equal states and for no others. */
  key(state: State): string;
  /** What is wrong with a state, `undefined` if nothing is. */
  check(state: State): string | undefined;
}

/** Something that happens. */
export interface Step<State> {
  readonly label: string;
  readonly state: State;
  /** What is wrong with an answer that somebody got in this step, `undefined` if nothing is. */
  readonly wrongAnswer?: string;
}

/** What a search found. */
export interface Exploration {
  /** Different states that were reached. */
  readonly states: number;
  /** Steps between them. */
  readonly steps: number;
  /** Labels that occurred, their numbers replaced by `#`. */
  readonly labels: ReadonlySet<string>;
  /** The nearest state that is wrong; `undefined` if none is. */
  readonly failure: Failure | undefined;
}

/** A way into a wrong state; none is shorter. */
export interface Failure {
  readonly reason: string;
  readonly trace: readonly string[];
}

/**
 * Visits every state that can be reached, nearest first, until one is wrong.
 *
 * @param maxStates - how many states it may visit.
 * @throws Error when there are more: a search that was cut off has shown nothing.
 */
export function explore<State>(system: System<State>, maxStates: number): Exploration {
  const numbers = new Map<string, number>([[system.key(system.initial), 0]]);
  const parents: number[] = [-1];
  const labels = new Set<string>();
  const known = new Set<string>();
  let steps = 0;
  let layer: { readonly number: number; readonly state: State }[] = [{ number: 0, state: system.initial }];
  const found = (reason: string, number: number, last?: string): Exploration => {
    const trace = traceTo(system, numbers, parents, number);
    return {
      states: parents.length,
      steps,
      labels,
      failure: { reason, trace: last === undefined ? trace : [...trace, last] },
    };
  };
  while (layer.length > 0) {
    const following: typeof layer = [];
    for (const { number, state } of layer) {
      const reason = system.check(state);
      if (reason !== undefined) return found(reason, number);
      for (const step of system.next(state)) {
        steps++;
        if (!known.has(step.label)) {
          known.add(step.label);
          labels.add(step.label.replaceAll(/\d+/g, '#'));
        }
        if (step.wrongAnswer !== undefined) return found(step.wrongAnswer, number, step.label);
        const key = system.key(step.state);
        if (numbers.has(key)) continue;
        if (parents.length >= maxStates) throw new Error(`There are more than ${maxStates} states.`);
        numbers.set(key, parents.length);
        following.push({ number: parents.length, state: step.state });
        parents.push(number);
      }
    }
    layer = following;
  }
  return { states: parents.length, steps, labels, failure: undefined };
}

/** Goes the way again: only the parent of each state is kept, not what led from there. */
function traceTo<State>(
  system: System<State>,
  numbers: ReadonlyMap<string, number>,
  parents: readonly number[],
  to: number,
): string[] {
  const path: number[] = [];
  for (let at = to; at > 0; at = parents[at]!) path.unshift(at);
  const trace: string[] = [];
  let state = system.initial;
  for (const number of path) {
    for (const step of system.next(state)) {
      if (numbers.get(system.key(step.state)) !== number) continue;
      trace.push(step.label);
      state = step.state;
      break;
    }
  }
  return trace;
}
