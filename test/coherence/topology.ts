/** How the instances of a run hear of each other. */
export interface Topology {
  readonly name: string;
  /** Whether a Redis is part of it, and is struck as well. */
  readonly hasRedis: boolean;
  /** Settings of every instance. */
  readonly environment: Readonly<Record<string, string>>;
}

const TOPOLOGIES: readonly Topology[] = [
  {
    name: 'bus over Redis, shared tier',
    hasRedis: true,
    environment: { COHERENCE_BUS: 'redis', SHARED_CACHE: 'redis' },
  },
  { name: 'bus over PostgreSQL', hasRedis: false, environment: { COHERENCE_BUS: 'postgres' } },
  { name: 'bus over Redis', hasRedis: true, environment: { COHERENCE_BUS: 'redis' } },
  { name: 'no bus', hasRedis: false, environment: { COHERENCE_BUS: 'none' } },
];

/** The topology of a seed: seeds that follow each other take all of them. */
export function topologyOf(seed: number): Topology {
  return TOPOLOGIES[Math.abs(seed - 1) % TOPOLOGIES.length]!;
}
