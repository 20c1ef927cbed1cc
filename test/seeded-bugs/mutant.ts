import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import type { SeededBug, SourceEdit } from './seeded-bug.js';

/** The compiled project. */
export const COMPILED = 'dist';

/** What the tests need of it. */
const TREES = ['src', 'test'];

/** A file of its own, so that nothing else is written through a hard link. */
const ORMCONFIG = 'ormconfig.js';

/**
 * Copies the compiled project by hard links, so that a copy costs nothing, and puts a bug into it.
 *
 * @param folder - where the copy goes: a new folder inside {@link COMPILED}, from where packages are found.
 * @param bug - `undefined` leaves the copy as it is.
 * @throws Error when the bug's place is not in the source exactly once, or the compiled code is not of the present source: nothing is
 * said then about what the tests catch.
 */
export function makeMutant(folder: string, bug: SeededBug | undefined): void {
  const files = TREES.flatMap((tree) => filesIn(join(COMPILED, tree)).map((path) => relative(COMPILED, path)));
  for (const file of [...files, ORMCONFIG]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    linkSync(join(COMPILED, file), join(folder, file));
  }
  if (bug === undefined) return;
  const source = readFileSync(bug.file, 'utf8');
  const target = compiledPath(bug.file);
  if (!isSameCode(compile(bug.file, source), readFileSync(join(COMPILED, target), 'utf8'))) {
    throw new Error(`${join(COMPILED, target)} is not what ${bug.file} compiles to: run "npm run build".`);
  }
  // The link would lead to the compiled project itself.
  rmSync(join(folder, target));
  writeFileSync(join(folder, target), compile(bug.file, seed(bug, source)));
}

/** A source with a bug in it. @throws Error when one of the places is not there exactly once. */
export function seed({ name, file, edits }: SeededBug, source: string): string {
  return edits.reduce((text, { find, replace }: SourceEdit) => {
    const parts = text.split(find);
    if (parts.length !== 2) {
      throw new Error(`The bug "${name}" cannot be seeded: ${file} has ${parts.length - 1} times: ${find}`);
    }
    return parts.join(replace);
  }, source);
}

/** Where the compiler puts a source file, as a path inside {@link COMPILED}. */
export function compiledPath(file: string): string {
  return file.replace(/\.ts$/, '.js');
}

function compile(fileName: string, source: string): string {
  const { config } = ts.readConfigFile('tsconfig.json', (path) => readFileSync(path, 'utf8'));
  const { options } = ts.convertCompilerOptionsFromJson(
    (config as { compilerOptions: object }).compilerOptions,
    process.cwd(),
  );
  // Every package here is of ES modules; by itself a single file would not tell.
  const module = ts.ModuleKind.ESNext;
  return ts.transpileModule(source, { fileName, compilerOptions: { ...options, module } }).outputText;
}

/** A file compiled by itself names the types of what Nest injects in a longer way: it cannot know whether they are there at run time. */
function isSameCode(one: string, other: string): boolean {
  const [left, right] = [one, other].map((code) =>
    code.replaceAll(/^var _a.*\n/gm, '').replaceAll(/__metadata\("design:paramtypes", \[[^\]]*\]\)/g, ''),
  );
  return left === right;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => join(entry.parentPath, entry.name));
}
