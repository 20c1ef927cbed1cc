import { beforeEach, describe, expect, it } from '@jest/globals';
import { BEAT_MS, Heartbeat, SILENCE_MS } from '../../src/cache/coherence/bus/heartbeat.js';

describe('the heartbeats of a bus', () => {
  let nowMs: number;
  let heartbeat: Heartbeat;

  beforeEach(() => {
    nowMs = 1000;
    heartbeat = new Heartbeat(() => nowMs);
  });

  function beat(): void {
    nowMs += BEAT_MS;
    heartbeat.begin();
  }

  it('prove nothing before the first has come back', () => {
    expect(heartbeat.isHealthy([0])).toBe(false);
    beat();
    expect(heartbeat.isHealthy([0])).toBe(false);
    heartbeat.noteReturn(0, heartbeat.number);
    expect(heartbeat.isHealthy([0])).toBe(true);
  });

  it('prove a way for as long after their sending as silence is borne', () => {
    beat();
    heartbeat.noteReturn(0, heartbeat.number);
    nowMs += SILENCE_MS;
    expect(heartbeat.isHealthy([0])).toBe(true);
    nowMs++;
    expect(heartbeat.isHealthy([0])).toBe(false);
  });

  it('prove nothing when they come back late, however many do', () => {
    for (let number = 1; number <= 10; number++) {
      beat();
      if (number > 6) heartbeat.noteReturn(0, number - 6);
    }
    expect(heartbeat.isHealthy([0])).toBe(false);
  });

  it('prove every lane by itself', () => {
    beat();
    heartbeat.noteReturn(0, 1);
    expect(heartbeat.isHealthy([0, 3])).toBe(false);
    heartbeat.noteReturn(3, 1);
    expect(heartbeat.isHealthy([0, 3])).toBe(true);
  });

  it('call a link silent by what was sent without an answer, not by the time in which nothing was sent', () => {
    beat();
    heartbeat.noteReturn(0, 1);
    nowMs += 3_600_000;
    expect(heartbeat.isSilent([0])).toBe(false);
    for (let unanswered = 1; unanswered <= 4; unanswered++) {
      beat();
      expect(heartbeat.isSilent([0])).toBe(false);
    }
    beat();
    expect(heartbeat.isSilent([0])).toBe(true);
    heartbeat.noteReturn(0, heartbeat.number);
    expect(heartbeat.isSilent([0])).toBe(false);
    expect(heartbeat.isSilent([0, 1])).toBe(true);
  });

  it('of a link that is gone prove nothing for the next', () => {
    beat();
    heartbeat.noteReturn(0, 1);
    heartbeat.reset();
    expect(heartbeat.isHealthy([0])).toBe(false);
    heartbeat.noteReturn(0, 1);
    expect(heartbeat.isHealthy([0])).toBe(false);
    beat();
    heartbeat.noteReturn(0, 2);
    expect(heartbeat.isHealthy([0])).toBe(true);
  });
});
