import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { ProcessLogger } from '../../src/common/process-logger.js';
import { EventLoopWatch } from '../../src/http/event-loop-watch.js';
import { waitUntil } from '../../src/storage/embedded/wait-until.js';

let watch: EventLoopWatch | undefined;
let written = '';

function start(slowMs: number): void {
  written = '';
  const stream = { write: (text: string) => (written += text) };
  Logger.overrideLogger(new ProcessLogger('trace', stream, stream));
  watch = new EventLoopWatch(slowMs);
}

/** Keeps the process from doing anything else. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('the watch of the event loop', () => {
  afterEach(() => watch?.stop());

  it('names a time in which nothing was done', async () => {
    start(200);
    block(500);
    expect(await waitUntil(() => written !== '', 10_000)).toBe(true);
    const line = JSON.parse(written.split('\n')[0]!) as Record<string, unknown>;
    expect(line).toMatchObject({ level: 'warn', context: 'EventLoop', event: 'event_loop_stalled' });
    expect(Number(line['ms'])).toBeGreaterThanOrEqual(200);
  });

  it('says nothing when it is turned off', async () => {
    start(0);
    block(300);
    await delay(0);
    await delay(50);
    expect(written).toBe('');
  });
});
