import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonLine, terminalLine, type LogLine } from '../../src/common/log-line.js';

const LINE: LogLine = {
  timeMs: Date.UTC(2026, 10, 24, 4, 20, 8, 123),
  level: 'warn',
  context: 'Http',
  message: 'GET /v1/chats/:chatId took 1200 ms.',
  fields: { event: 'slow_request', requestId: 'r-1', ms: 1200, cacheStatus: undefined },
};

/** What ends a line, begins an escape, or turns the direction of writing, somewhere. */
// oxlint-disable-next-line no-control-regex
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const FORGERIES = [
  'x\n{"time":"2026-11-24T04:20:08.123Z","level":"info","message":"all is well"}',
  'x\r\nfatal',
  'x\u001b[2K\u001b[1Gall is well',
  'x\u009b2J',
  'x\u2028y\u2029z',
  'x\u202egnp.exe',
  'x\u0000\u0007\u0008\u007f',
  '"},{"level":"fatal',
];

/** Any text, and often one with characters that matter. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(fc.constantFrom(...FORGERIES, '\ud800', '=', '"', ' ', '\\', '    at f (x:1:2)'))
    .map((parts) => parts.join('')),
);

/** The colours that the line has of itself taken out. */
function withoutOwnColors(line: string): string {
  // oxlint-disable-next-line no-control-regex
  return line.replace(/\u001b\[\d+m/g, '');
}

describe('a line of the log', () => {
  it('is flat JSON with time, level, who speaks and the event first', () => {
    expect(jsonLine(LINE)).toBe(
      '{"time":"2026-11-24T04:20:08.123Z","level":"warn","context":"Http","event":"slow_request",' +
        '"message":"GET /v1/chats/:chatId took 1200 ms.","requestId":"r-1","ms":1200}',
    );
  });

  it('is readable on a terminal', () => {
    expect(withoutOwnColors(terminalLine(LINE))).toBe(
      '2026-11-24 04:20:08.123 WARN  [Http] GET /v1/chats/:chatId took 1200 ms. requestId=r-1 ms=1200',
    );
    const failed = { ...LINE, fields: { error: 'Error: no way', stack: 'at a (a.js:1:1)\nat b (b.js:2:2)' } };
    expect(withoutOwnColors(terminalLine(failed)).split('\n')).toEqual([
      expect.stringMatching(/ error="Error: no way"$/),
      '    at a (a.js:1:1)',
      '    at b (b.js:2:2)',
    ]);
  });

  it('has no field that takes the place of its own', () => {
    const line = { ...LINE, fields: { time: 'never', level: 'info', context: 'Other', message: 'all is well', ms: 1 } };
    expect(JSON.parse(jsonLine(line))).toEqual({
      time: '2026-11-24T04:20:08.123Z',
      level: 'warn',
      context: 'Http',
      message: LINE.message,
      ms: 1,
    });
  });

  it('cannot be ended or coloured by anything in it, whatever comes from outside', () => {
    fc.assert(
      fc.property(anyText, anyText, anyText, (one, other, third) => {
        const line = {
          ...LINE,
          context: third,
          message: one,
          fields: { [third]: other, values: [one, other], stack: one },
        };
        const json = jsonLine(line);
        expect(json).not.toMatch(OBEYED);
        expect(JSON.parse(json)).toMatchObject({ level: 'warn' });
        const [first, ...rest] = withoutOwnColors(terminalLine(line).replace('\u001b[33m', '')).split('\n');
        expect(first).toMatch(/^2026-11-24 04:20:08\.123 WARN {2}\[/);
        expect(first).not.toMatch(OBEYED);
        for (const frame of rest) expect(frame).toMatch(/^ {4}/);
        expect(rest.join('')).not.toMatch(OBEYED);
      }),
    );
  });

  it.each(FORGERIES)('tells what came as it came, escaped: %j', (forgery) => {
    expect(JSON.parse(jsonLine({ ...LINE, fields: { requestId: forgery } }))).toMatchObject({ requestId: forgery });
  });

  it('is cut where a value is long', () => {
    const { message } = JSON.parse(jsonLine({ ...LINE, message: 'x'.repeat(1e6) })) as { message: string };
    expect(message).toBe(`${'x'.repeat(8192)}…`);
  });

  it('has no password and no token of an address, a header or a connection string', () => {
    const fields = {
      address: 'to postgres://ann:hunter2@db/chat',
      parameter: 'postgres://db/chat?user=ann&password=hunter2&ssl=on',
      header: 'authorization: Bearer hunter2.x-y_z',
      token: 'refused eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2',
      list: ['redis://:hunter2@cache:6379'],
    };
    const line = jsonLine({ ...LINE, fields });
    expect(line).not.toContain('hunter2');
    expect(line).not.toContain('eyJ');
    expect(JSON.parse(line)).toMatchObject({
      address: 'to postgres://***@db/chat',
      parameter: 'postgres://db/chat?user=ann&password=***&ssl=on',
      header: 'authorization: Bearer ***',
      token: 'refused ***',
      list: ['redis://***@cache:6379'],
    });
  });
});
