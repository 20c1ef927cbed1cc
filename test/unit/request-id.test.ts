import { describe, expect, it } from '@jest/globals';
import { requestIdOf, traceIdOf } from '../../src/common/request-id.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('the id of a request', () => {
  it.each(['a', '~'.repeat(128)])('is the one that it brings: %s', (id) => {
    expect(requestIdOf({ 'x-request-id': id })).toBe(id);
  });

  it.each([undefined, '', 'two words', 'é', 'line\nbreak', 'x'.repeat(129)])('is a new one in place of %j', (id) => {
    const headers = id === undefined ? {} : { 'x-request-id': id };
    const first = requestIdOf(headers);
    expect(first).toMatch(/^[0-9a-f]{16}-\d+$/);
    expect(requestIdOf(headers)).not.toBe(first);
  });
});

describe('the trace id of a request', () => {
  it('is that of its traceparent', () => {
    expect(traceIdOf({ traceparent: `00-${TRACE}-00f067aa0ba902b7-01` })).toBe(TRACE);
  });

  it.each([
    '',
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-00f067aa0ba902b7-01`,
  ])('is absent when the traceparent is not valid: %j', (traceparent) => {
    expect(traceIdOf({ traceparent })).toBeUndefined();
  });
});
