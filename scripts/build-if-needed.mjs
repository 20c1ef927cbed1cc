// Compiles the TypeScript sources when the compiled ones are missing or older. An installed package has no sources
// beside it and is left alone.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export async function buildIfNeeded() {
  const entry = join(root, 'dist/src/cli/scrollback.js');
  if (!existsSync(join(root, 'src')) || !existsSync(join(root, 'tsconfig.json'))) return;
  if (existsSync(entry) && newest(join(root, 'src')) <= statSync(join(root, 'dist/.tsbuildinfo')).mtimeMs) return;
  process.stderr.write('Compiling (first start, or the sources have changed) ...\n');
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.json')], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) {
    process.stderr.write('The sources do not compile.\n');
    process.exit(1);
  }
}

function newest(folder) {
  let newestMs = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile())
      newestMs = Math.max(newestMs, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs);
  }
  return newestMs;
}
