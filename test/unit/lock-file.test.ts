import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { licencesDocument, lockedPackages } from '../support/licences.js';

const { satisfies } = createRequire(import.meta.url)('semver') as {
  satisfies(version: string, range: string): boolean;
};

/** The oldest Node that package.json lets in. */
const OLDEST_NODE = '20.19.0';

/** Licences that allow everything that a company does, and ask for no more than their mention. */
const ALLOWED = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'PostgreSQL',
  'Unlicense',
  'CC0-1.0',
  'Python-2.0',
];

describe('the lock file', () => {
  const all = [...lockedPackages()];

  it('has a checksum of every package, and no address', () => {
    expect(all.length).toBeGreaterThan(100);
    expect(all.filter(([, { integrity, link }]) => link !== true && integrity?.startsWith('sha512-') !== true)).toEqual(
      [],
    );
    expect(all.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });

  it('has the versions that package.json names, exactly', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect({ name, version: lockedPackages().get(`node_modules/${name}`)?.version }).toEqual({ name, version });
    }
  });

  it('brings nothing that refuses the oldest Node that we promise to run on', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    expect([satisfies(OLDEST_NODE, engines.node), satisfies('20.18.99', engines.node)]).toEqual([true, false]);
    const demanding = all.filter(([, { engines }]) => engines?.node !== undefined);
    expect(demanding.length).toBeGreaterThan(100);
    const refusing = demanding.filter(([, { engines }]) => !satisfies(OLDEST_NODE, engines!.node!));
    expect(refusing.map(([path, { engines }]) => `${path}: ${engines!.node}`)).toEqual([]);
  });

  it('brings nothing to run whose licence asks for more than its mention', () => {
    const others = all.filter(([, { dev, license }]) => dev !== true && !ALLOWED.includes(license ?? 'none'));
    expect(others.map(([path, { license }]) => `${path}: ${license}`)).toEqual([]);
  });

  it('has its licences listed in docs/licences.md', () => {
    expect(readFileSync('docs/licences.md', 'utf8')).toBe(licencesDocument());
  });
});
