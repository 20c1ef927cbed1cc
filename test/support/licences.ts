import { readFileSync } from 'node:fs';

/** A package of the lock file. */
export interface LockedPackage {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly engines?: { readonly node?: string };
}

/** Packages of the lock file, by where they are installed; the project itself is not among them. */
export function lockedPackages(): Map<string, LockedPackage> {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, LockedPackage> };
  return new Map(Object.entries(lock.packages).filter(([path]) => path !== ''));
}

/** The document that lists the licences of the packages that are needed to run. */
export function licencesDocument(): string {
  const rows = [...lockedPackages()]
    .filter(([, { dev }]) => dev !== true)
    .map(
      ([path, { version, license }]) => `| ${path.split('node_modules/').at(-1)} | ${version} | ${license ?? 'none'} |`,
    );
  return [
    '# Licences',
    '',
    'Of the packages that are needed to run Scrollback, by the lock file; made by `npm run licences`. Scrollback itself is under the MIT licence.',
    '',
    '| package | version | licence |',
    '|---|---|---|',
    ...[...new Set(rows)].sort(),
    '',
  ].join('\n');
}
