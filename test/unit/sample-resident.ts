import { Resident } from '../../src/cache/local/resident.js';

/** A resident of a size that a test may change. */
export class SampleResident extends Resident {
  constructor(
    readonly name: number,
    public bytes = 1,
    readonly keyHash = name,
  ) {
    super();
  }
}

/** Names in the order of the residents. */
export function namesOf(residents: Iterable<Resident>): number[] {
  return [...residents].map((resident) => (resident as SampleResident).name);
}
