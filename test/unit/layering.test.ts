import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const SOURCES = resolve('src');

/** Folders from the lowest layer up: a file may import from its own folder and from those before it. */
const LAYERS: readonly (readonly string[])[] = [
  ['common'],
  ['storage', 'redis'],
  ['cache'],
  ['transfer'],
  ['http', 'auth', 'limits', 'chat', 'health', 'metrics', 'admin', 'config', 'tracing'],
  ['.', 'cli'],
];

interface Import {
  readonly file: string;
  readonly target: string;
}

function imports(): Import[] {
  const found: Import[] = [];
  for (const entry of readdirSync(SOURCES, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    for (const [, specifier] of readFileSync(path, 'utf8').matchAll(/from '(\.[^']+)'/g)) {
      found.push({ file: relative(SOURCES, path), target: relative(SOURCES, resolve(entry.parentPath, specifier!)) });
    }
  }
  return found;
}

function layerOf(path: string): number {
  const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : '.';
  return LAYERS.findIndex((layer) => layer.includes(folder));
}

describe('the layers', () => {
  const all = imports();

  it('are known for every file', () => {
    expect(all.length).toBeGreaterThan(100);
    expect(
      all.filter(({ file, target }) => layerOf(file) < 0 || (layerOf(target) < 0 && !target.startsWith('..'))),
    ).toEqual([]);
  });

  it('import downwards only: chat -> cache -> storage', () => {
    expect(all.filter(({ file, target }) => !target.startsWith('..') && layerOf(target) > layerOf(file))).toEqual([]);
  });

  it('let only the commit path mark changes as committed, and what reads those that a peer has committed', () => {
    const markers = all.filter(({ target }) => target === 'storage/write/change.js').map(({ file }) => file);
    const marking = [...new Set(markers)].filter((file) =>
      readFileSync(join(SOURCES, file), 'utf8').includes('asCommitted('),
    );
    expect(marking.sort()).toEqual([
      'cache/coherence/bus/change-codec.ts',
      'storage/chat-repository.ts',
      'storage/write/write-batch.ts',
    ]);
  });

  it('read the environment in one file alone', () => {
    const readers = [...new Set(all.map(({ file }) => file))].filter((file) =>
      /process\.env\b/.test(readFileSync(join(SOURCES, file), 'utf8')),
    );
    expect(readers).toEqual(['config/environment.ts']);
  });

  it('keep SQL free of values: no statement is put together at run time', () => {
    const files = [...new Set(all.map(({ file }) => file))].filter((file) => file.startsWith('storage/'));
    const withSql = files.filter((file) =>
      /\b(SELECT|INSERT|UPDATE|DELETE)\b[^\n]*\$\{/.test(readFileSync(join(SOURCES, file), 'utf8')),
    );
    // Statements may be made of fragments with fixed arguments, in their own folder; nowhere else.
    expect(withSql.filter((file) => !file.startsWith('storage/statements/'))).toEqual([]);
  });
});
