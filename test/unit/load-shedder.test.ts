import { describe, expect, it } from '@jest/globals';
import { LoadShedder } from '../../src/limits/load-shedder.js';

describe('the load shedder', () => {
  it('refuses while as many requests are at work as may be', () => {
    const shedder = new LoadShedder(2, 500);
    shedder.begin();
    expect(shedder.isOverloaded).toBe(false);
    shedder.begin();
    expect(shedder.isOverloaded).toBe(true);
    shedder.end();
    expect(shedder.isOverloaded).toBe(false);
  });

  it('forgives one look at which the event loop was behind, not two, and one at which it was not', () => {
    const shedder = new LoadShedder(2, 500);
    shedder.note(700);
    expect(shedder.isOverloaded).toBe(false);
    shedder.note(501);
    expect(shedder.isOverloaded).toBe(true);
    shedder.note(500);
    expect(shedder.isOverloaded).toBe(false);
  });
});
