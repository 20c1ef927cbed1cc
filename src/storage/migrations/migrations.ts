import { CreateTables1763900000000 } from './1763900000000-create-tables.js';
import { FollowHandEdits1764100000000 } from './1764100000000-follow-hand-edits.js';
import { FollowRestores1764300000000 } from './1764300000000-follow-restores.js';
import { UpdateHeadsInPlace1764400000000 } from './1764400000000-update-heads-in-place.js';

/** Every migration, oldest first. Named here one by one: file globs do not survive ESM and bundling. */
export const migrations = [
  CreateTables1763900000000,
  FollowHandEdits1764100000000,
  FollowRestores1764300000000,
  UpdateHeadsInPlace1764400000000,
];
