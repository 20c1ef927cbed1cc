import { ENTRY_BUGS } from './entry-bugs.js';
import { FILL_BUGS } from './fill-bugs.js';
import { PEER_BUGS } from './peer-bugs.js';
import type { SeededBug } from './seeded-bug.js';
import { WRITE_BUGS } from './write-bugs.js';

/** Every known bug that the tests are tried with. */
export const SEEDED_BUGS: readonly SeededBug[] = [...FILL_BUGS, ...ENTRY_BUGS, ...PEER_BUGS, ...WRITE_BUGS];
