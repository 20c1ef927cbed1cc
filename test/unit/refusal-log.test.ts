import { beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { ProcessLogger } from '../../src/common/process-logger.js';
import { RefusalLog } from '../../src/limits/refusal-log.js';

let lines: Record<string, unknown>[];
let nowMs: number;
let counts: { overload: number; connections: number };
let log: RefusalLog;

beforeEach(() => {
  lines = [];
  nowMs = 0;
  counts = { overload: 0, connections: 0 };
  const stream = { write: (text: string) => lines.push(JSON.parse(text) as Record<string, unknown>) };
  Logger.overrideLogger(new ProcessLogger('info', stream, stream));
  log = new RefusalLog(counts, () => nowMs);
});

/** A second of which an instance refuses so many. */
function second(overload = 0, connections = 0): void {
  counts.overload += overload;
  counts.connections += connections;
  nowMs += 1000;
  log.look();
}

const told = (): unknown[] => lines.map(({ event, cause, count }) => [event, cause, count]);

describe('the log of an instance that refuses', () => {
  it('says nothing while nothing is refused', () => {
    for (let at = 0; at < 60; at++) second();
    expect(lines).toEqual([]);
  });

  it('says at once that it begins, then every ten seconds how many there were, then that it has stopped', () => {
    second();
    second(3);
    expect(lines).toMatchObject([{ level: 'warn', context: 'Limits', event: 'refusing', cause: 'overload', count: 3 }]);
    for (let at = 0; at < 25; at++) second(100);
    expect(told()).toEqual([
      ['refusing', 'overload', 3],
      ['refusing', 'overload', 1000],
      ['refusing', 'overload', 1000],
    ]);
    for (let at = 0; at < 10; at++) second();
    expect(lines.slice(3)).toMatchObject([
      { level: 'info', event: 'refusing_ended', cause: 'overload', count: 2503, ms: 25_000 },
    ]);
  });

  it('takes refusals with short pauses between for one time, and those after a long one for another', () => {
    for (let at = 0; at < 3; at++) {
      second(1);
      for (let pause = 0; pause < 4; pause++) second();
    }
    expect(told()).toEqual([
      ['refusing', 'overload', 1],
      ['refusing', 'overload', 2],
    ]);
    for (let pause = 0; pause < 5; pause++) second();
    second(1);
    expect(told().slice(2)).toEqual([
      ['refusing_ended', 'overload', 3],
      ['refusing', 'overload', 1],
    ]);
  });

  it('tells requests and connections apart', () => {
    second(1, 2);
    expect(told()).toEqual([
      ['refusing', 'overload', 1],
      ['refusing', 'connections', 2],
    ]);
  });
});
