import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { followActivities, runFor } from '../../src/common/activity.js';
import type { LogLevel } from '../../src/common/log-line.js';
import { ProcessLogger } from '../../src/common/process-logger.js';

/** Keeps what is written. */
class Lines {
  written = '';
  constructor(readonly isTTY = false) {}

  write(text: string): void {
    this.written += text;
  }

  get parsed(): Record<string, unknown>[] {
    return this.written
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

function start(level: LogLevel, out = new Lines(), err = new Lines()): { logger: Logger; out: Lines; err: Lines } {
  Logger.overrideLogger(new ProcessLogger(level, out, err));
  return { logger: new Logger('Part'), out, err };
}

describe('the logger of the process', () => {
  it('writes a sentence as one line, errors to the other stream', () => {
    const { logger, out, err } = start('trace');
    logger.log('It runs.');
    logger.verbose('Here too.');
    logger.error('It failed.');
    expect(out.parsed).toMatchObject([
      { level: 'info', context: 'Part', message: 'It runs.' },
      { level: 'trace', context: 'Part', message: 'Here too.' },
    ]);
    expect(err.parsed).toMatchObject([{ level: 'error', context: 'Part', message: 'It failed.' }]);
  });

  it.each([
    ['fatal', ['fatal']],
    ['warn', ['warn', 'error', 'fatal']],
    ['info', ['info', 'warn', 'error', 'fatal']],
    ['trace', ['trace', 'debug', 'info', 'warn', 'error', 'fatal']],
  ] as const)('shows at %s what is as grave or graver', (level, shown) => {
    const both = new Lines();
    const { logger } = start(level, both, both);
    logger.verbose('x');
    logger.debug('x');
    logger.log('x');
    logger.warn('x');
    logger.error('x');
    logger.fatal('x');
    expect(both.parsed.map((line) => line['level'])).toEqual(shown);
  });

  it('writes an event with its fields beside each other', () => {
    const { logger, out } = start('info');
    logger.warn({ event: 'it_happened', message: 'It happened.', ms: 3, names: ['a', 'b'], none: undefined });
    expect(out.parsed).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: 'warn',
        context: 'Part',
        event: 'it_happened',
        message: 'It happened.',
        ms: 3,
        names: ['a', 'b'],
      },
    ]);
  });

  it('leaves out whatever else libraries hand over', () => {
    const { logger, out, err } = start('trace');
    logger.log({ text: 'private' });
    logger.log('A query ran.', { parameters: ['private'] });
    logger.log({ event: 'e', message: 'm', row: { text: 'private' } });
    logger.error(Object.assign(new Error('refused'), { detail: 'private', parameters: ['private'] }));
    expect(out.written + err.written).not.toContain('private');
    expect(out.parsed.map((line) => line['message'])).toEqual(['(object)', 'A query ran.', 'm']);
    expect(err.parsed).toMatchObject([{ message: 'Error: refused', error: 'Error: refused' }]);
  });

  it('takes a stack as Nest hands it over, without the message that it repeats', () => {
    const { logger, err } = start('info');
    logger.error('It failed.', 'Error: private words\n    at f (a.js:1:1)\n    at g (b.js:2:2)');
    expect(err.parsed).toMatchObject([
      { context: 'Part', message: 'It failed.', stack: expect.stringMatching(/^at f \(a\.js:1:1\)/) },
    ]);
    expect(err.written).not.toContain('private');
  });

  it('says for which request the running code works', async () => {
    followActivities();
    const { logger, out } = start('info');
    await runFor({ requestIds: ['r-1'], traceId: 't-1', span: undefined }, async () => {
      await Promise.resolve();
      logger.log('one');
    });
    runFor({ requestIds: ['r-1', 'r-2'], traceId: undefined, span: undefined }, () => logger.log('two'));
    logger.log('none');
    const [one, two, none] = out.parsed;
    expect(one).toMatchObject({ requestId: 'r-1', traceId: 't-1' });
    expect(two).toMatchObject({ requestIds: ['r-1', 'r-2'] });
    expect(none).not.toHaveProperty('requestId');
  });

  it('speaks to people where there is a terminal, to each stream by itself', () => {
    const { logger, out, err } = start('info', new Lines(true), new Lines());
    logger.log('It runs.');
    logger.error('It failed.');
    expect(out.written).toContain('[Part]');
    expect(() => JSON.parse(out.written) as unknown).toThrow(SyntaxError);
    expect(err.parsed).toMatchObject([{ message: 'It failed.' }]);
  });
});
