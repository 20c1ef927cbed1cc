import { describe, expect, it } from '@jest/globals';
import { coherenceModel } from './coherence-model.js';
import { explore } from './explorer.js';
import { FLAWED_SCENARIOS, SCENARIOS } from './scenarios.js';

/** More than any scenario of the tests has. */
const MAX_STATES = 400_000;

describe('the protocol of coherence, in all interleavings', () => {
  const happened = new Set<string>();

  it.each(SCENARIOS)('does nothing wrong: $name', (scenario) => {
    const { states, labels, failure } = explore(coherenceModel(scenario), MAX_STATES);
    process.stderr.write(`model: ${scenario.name}: ${states} states\n`);
    for (const label of labels) happened.add(label);
    expect(failure).toBeUndefined();
    expect(states).toBeGreaterThan(1000);
  });

  it('is searched with everything that can happen', () => {
    expect([...happened].sort()).toEqual([
      'failover, # commits are lost',
      'instance #: a reader asks for the version',
      'instance #: a reader sends a fill',
      'instance #: a reader with token # joins the fill',
      'instance #: a reader with token # sends a fill',
      'instance #: evicts the chat',
      'instance #: handles the poll',
      'instance #: has no room for early changes',
      'instance #: hears of version #',
      'instance #: hears of version #, not for the last time',
      'instance #: is killed and starts again',
      'instance #: polls',
      'instance #: the database answers the fill',
      'instance #: the database answers the poll',
      'instance #: the fill answers with version #',
      'instance #: the fill fails',
      'instance #: the fill is at #, too old, and reads again',
      'instance #: the fill tells of another epoch',
      'instance #: the poll fails',
      'instance #: the version is #',
      'tick',
      'write # begins',
      'write # commits',
      'write # commits, and nobody is told',
      'write # does not commit, and nobody is told',
      'write # hears that its connection broke at COMMIT',
      'write # is applied, published and answered',
      'write # is sent again',
      'write # rolls back',
    ]);
  });
});

describe('a protocol with a flaw', () => {
  it.each(FLAWED_SCENARIOS)('is found out: $flaw', (scenario) => {
    const { failure } = explore(coherenceModel(scenario), MAX_STATES);
    expect(failure?.reason).toMatch(scenario.reason);
    expect(failure?.trace.length).toBeGreaterThan(2);
  });

  it('would be right without it', () => {
    const worlds = new Map(
      FLAWED_SCENARIOS.map(({ name: _name, flaw: _flaw, reason: _reason, ...world }) => [JSON.stringify(world), world]),
    );
    for (const [name, world] of worlds) {
      expect(explore(coherenceModel({ name, ...world }), MAX_STATES).failure).toBeUndefined();
    }
  });
});
