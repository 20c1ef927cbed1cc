import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';

const CODE = (what: string): string => `
  import { createLogger } from '${new URL('../../src/common/log.js', import.meta.url).href}';
  import { logCrashes } from '${new URL('../../src/crash.js', import.meta.url).href}';
  logCrashes(createLogger('info'));
  const error = Object.assign(new Error('it broke\\n{"level":"info"}'), { code: '23514', detail: 'what-a-user-wrote' });
  ${what};
`;

function run(what: string): { status: number | null; lines: Record<string, unknown>[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', CODE(what)], {
    encoding: 'utf8',
  });
  const lines = (stdout + stderr).trimEnd().split('\n');
  return { status, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('what nobody caught', () => {
  it.each([
    ['an error', 'setTimeout(() => { throw error; }, 1)'],
    ['a rejection', 'void Promise.reject(error)'],
  ])('is told in one line without what it holds, and ends the process with 1: %s', (_name, what) => {
    const { status, lines } = run(what);
    expect(status).toBe(1);
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'fatal',
        context: 'Process',
        event: 'crash',
        errorCode: '23514',
        stack: expect.stringContaining('at '),
      }),
    ]);
    expect(JSON.stringify(lines)).not.toContain('what-a-user-wrote');
  });

  it('is a line of the log when it is a warning of Node', () => {
    const { status, lines } = run(`process.emitWarning('too old', 'DeprecationWarning')`);
    expect(status).toBe(0);
    expect(lines).toMatchObject([{ level: 'warn', event: 'node_warning', error: 'DeprecationWarning: too old' }]);
  });
});
