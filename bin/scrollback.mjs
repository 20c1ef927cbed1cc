#!/usr/bin/env node
// The `scrollback` command. In a checkout it compiles first if something has changed since the last time.
import { buildIfNeeded } from '../scripts/build-if-needed.mjs';

await buildIfNeeded();
const { run } = await import('../dist/src/cli/scrollback.js');
await run(process.argv);
