// Writes docs/licences.md: the licences of what Scrollback runs on, by the lock file.
import { writeFileSync } from 'node:fs';
import { licencesDocument } from '../dist/test/support/licences.js';

writeFileSync('docs/licences.md', licencesDocument());
