import { beforeEach, describe, expect, it } from '@jest/globals';
import { Lease, type Moment } from '../../src/cache/coherence/lease.js';

const BOUND_MS = 5000;

let now: Moment;
let lease: Lease;

beforeEach(() => {
  now = { monotonicMs: 1_000_000, wallMs: 1_760_000_000_000 };
  lease = new Lease(BOUND_MS, () => now);
});

/** Lets time go by; the two clocks may differ. */
function pass(monotonicMs: number, wallMs = monotonicMs): void {
  now = { monotonicMs: now.monotonicMs + monotonicMs, wallMs: now.wallMs + wallMs };
}

describe('a lease', () => {
  it('has run out before anything was confirmed', () => {
    expect(lease.isInDoubt).toBe(true);
    expect(lease.lastConfirmedMs).toBeUndefined();
  });

  it('counts from the start of what confirmed it, not from its end', () => {
    const start = lease.now();
    pass(3000);
    lease.confirm(start);
    expect(lease.lastConfirmedMs).toBe(3000);
    pass(2000);
    expect(lease.isInDoubt).toBe(false);
    pass(1);
    expect(lease.isInDoubt).toBe(true);
  });

  it('runs out while the machine is suspended, when only the wall clock goes on', () => {
    lease.confirm(lease.now());
    pass(10, BOUND_MS + 1);
    expect(lease.isInDoubt).toBe(true);
  });

  it('runs out though somebody sets the wall clock back', () => {
    lease.confirm(lease.now());
    pass(BOUND_MS + 1, -3_600_000);
    expect(lease.isInDoubt).toBe(true);
  });

  it('covers, once it has run out, a chat that was confirmed by itself, for as long', () => {
    const [one, other] = [{}, {}];
    lease.confirm(lease.now());
    expect(lease.covers(one)).toBe(true);
    pass(BOUND_MS + 1);
    expect(lease.covers(one)).toBe(false);
    lease.confirmChat(one, lease.now());
    expect([lease.covers(one), lease.covers(other)]).toEqual([true, false]);
    pass(BOUND_MS + 1);
    expect(lease.covers(one)).toBe(false);
  });

  it('covers nothing once it is revoked', () => {
    const chat = {};
    lease.confirm(lease.now());
    lease.confirmChat(chat, lease.now());
    lease.revoke();
    expect([lease.isInDoubt, lease.covers(chat)]).toEqual([true, false]);
  });
});
