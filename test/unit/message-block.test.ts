import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BLOCK_OVERHEAD_BYTES, BLOCK_SIZE, MessageBlock } from '../../src/cache/local/message-block.js';
import { messageJson } from '../../src/cache/local/wire-json.js';
import type { MessageRecord } from '../../src/storage/records.js';
import { SAMPLE_MS, sampleMessage } from './sample-records.js';

/** Messages of one block as JSON, `''` where a seq has no row. */
type Model = string[];

type Step =
  | { readonly type: 'append'; readonly text: string }
  | { readonly type: 'replace'; readonly at: number; readonly text: string }
  | { readonly type: 'delete'; readonly at: number };

const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constant(''), fc.constant('é🍕\u2028"\\'));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('append' as const), text }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('replace' as const), at: fc.nat(BLOCK_SIZE), text }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), at: fc.nat(BLOCK_SIZE) }) },
);

/** What a block may be made of: which of its first seqs have a row. */
const start = fc.record({
  index: fc.constantFrom(0, 1, 7),
  rows: fc.array(fc.option(text, { freq: 5 }), { maxLength: BLOCK_SIZE, size: 'max' }),
});

function sliceOf(model: Model, from: number, to: number): string {
  return model
    .slice(from, to + 1)
    .filter((json) => json !== '')
    .join(',');
}

function make({ index, rows }: { index: number; rows: readonly (string | null)[] }): {
  block: MessageBlock;
  model: Model;
} {
  const first = index * BLOCK_SIZE + 1;
  const messages = rows.flatMap((row, at) => (row === null ? [] : [sampleMessage({ seq: first + at, text: row })]));
  const model = rows.map((row, at) => (row === null ? '' : messageJson(sampleMessage({ seq: first + at, text: row }))));
  return { block: MessageBlock.of(index, messages, first + rows.length - 1), model };
}

function run(block: MessageBlock, model: Model, command: Step): void {
  if (command.type === 'append') {
    if (model.length === BLOCK_SIZE) return;
    const message = sampleMessage({ seq: block.firstSeq + model.length, text: command.text });
    block.append(message);
    model.push(messageJson(message));
    return;
  }
  const present = [...model.keys()].filter((at) => model[at] !== '');
  if (present.length === 0) return;
  const at = present[command.at % present.length]!;
  const seq = block.firstSeq + at;
  const message: MessageRecord =
    command.type === 'delete'
      ? sampleMessage({ seq, text: null, deletedAtMs: SAMPLE_MS })
      : sampleMessage({ seq, text: command.text, editedAtMs: SAMPLE_MS });
  block.replace(message);
  model[at] = messageJson(message);
}

/** Compares first, because `expect` costs a thousand times more than comparing. */
function expectText(slice: Buffer, text: string): void {
  const actual = slice.toString();
  if (actual !== text) expect(actual).toBe(text);
}

/** Compares the block with the model from every seq to the last one, and from the first to every seq. */
function expectSame(block: MessageBlock, model: Model): void {
  expect(block.endSeq).toBe(block.firstSeq + model.length - 1);
  const last = model.length - 1;
  for (let at = 0; at <= last; at++) {
    expectText(block.slice(block.firstSeq + at, block.endSeq), sliceOf(model, at, last));
    expectText(block.slice(block.firstSeq, block.firstSeq + at), sliceOf(model, 0, at));
  }
}

function expectWeighed(block: MessageBlock, model: Model): void {
  const whole = block.slice(block.firstSeq, block.endSeq);
  expect(block.bytes).toBeGreaterThanOrEqual(BLOCK_OVERHEAD_BYTES + Buffer.byteLength(sliceOf(model, 0, model.length)));
  // The whole allocation behind the slice: a slice of Node's pool would show the pool's 8 KiB here.
  if (whole.length > 0) expect(block.bytes).toBe(BLOCK_OVERHEAD_BYTES + whole.buffer.byteLength);
}

describe('a message block', () => {
  it('gives every run of messages as a list of the same messages does, after every change', () => {
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 40, size: 'max' }), (from, steps) => {
        const { block, model } = make(from);
        expectSame(block, model);
        for (const command of steps) {
          run(block, model, command);
          expectSame(block, model);
        }
        for (let low = 0; low < model.length; low++) {
          for (let high = low; high < model.length; high++) {
            expectText(block.slice(block.firstSeq + low, block.firstSeq + high), sliceOf(model, low, high));
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is charged what it has allocated, never less than its JSON', () => {
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 60, size: 'max' }), (from, steps) => {
        const { block, model } = make(from);
        expectWeighed(block, model);
        for (const command of steps) {
          run(block, model, command);
          expectWeighed(block, model);
        }
      }),
    );
  });

  it('never changes bytes that it has given out', () => {
    fc.assert(
      fc.property(start, fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (from, steps) => {
        const { block, model } = make(from);
        const published: { readonly slice: Buffer; readonly text: string }[] = [];
        for (const command of steps) {
          for (const low of [0, Math.floor(model.length / 2)]) {
            const slice = block.slice(block.firstSeq + low, block.endSeq);
            published.push({ slice, text: slice.toString() });
          }
          run(block, model, command);
          for (const { slice, text: before } of published) expectText(slice, before);
        }
        expect(published.length).toBeGreaterThan(0);
      }),
    );
  });

  it('spends no more than half of its room on what is yet to come', () => {
    const block = MessageBlock.of(0, [], 0);
    let length = 0;
    for (let seq = 1; seq <= BLOCK_SIZE; seq++) {
      const message = sampleMessage({ seq, text: 'x'.repeat(1000) });
      block.append(message);
      length += messageJson(message).length + 1;
      expect(block.bytes - BLOCK_OVERHEAD_BYTES).toBeLessThanOrEqual(2 * length + 4 * BLOCK_SIZE);
    }
  });

  it('takes the row that somebody puts where there was none', () => {
    const model = ['', messageJson(sampleMessage({ seq: 2 })), messageJson(sampleMessage({ seq: 3 }))];
    const block = MessageBlock.of(0, [sampleMessage({ seq: 2 }), sampleMessage({ seq: 3 })], 3);
    block.replace(sampleMessage({ seq: 1 }));
    model[0] = messageJson(sampleMessage({ seq: 1 }));
    expectSame(block, model);
  });

  it('is found by the seq of each of its messages', () => {
    for (const index of [0, 1, 99]) {
      const block = MessageBlock.of(index, [], index * BLOCK_SIZE);
      expect(block.endSeq).toBe(block.firstSeq - 1);
      for (let at = 0; at < BLOCK_SIZE; at++) expect(MessageBlock.indexOf(block.firstSeq + at)).toBe(index);
      expect(MessageBlock.indexOf(block.firstSeq - 1)).toBe(index - 1);
      expect(MessageBlock.indexOf(block.firstSeq + BLOCK_SIZE)).toBe(index + 1);
    }
  });

  it('gives the same slices when it is packed, and can be written to again when it is unpacked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 200, unit: 'grapheme' }), { minLength: 1, maxLength: 63 }),
        (texts) => {
          const messages = texts.map((text, at) => sampleMessage({ seq: at + 1, text }));
          const block = MessageBlock.of(0, messages, texts.length);
          const before = block.slice(1, texts.length).toString();
          const plainBytes = block.bytes;
          const isPacked = block.pack();
          expect(block.isPacked).toBe(isPacked);
          if (isPacked) expect(block.bytes).toBeLessThan(plainBytes);
          expect(block.slice(1, texts.length).toString()).toBe(before);
          expect(block.slice(texts.length, texts.length).toString()).toBe(messageJson(messages.at(-1)!));
          if (isPacked) block.unpack();
          const next = sampleMessage({ seq: texts.length + 1, text: 'next' });
          block.append(next);
          expect(block.slice(1, texts.length + 1).toString()).toBe(`${before},${messageJson(next)}`);
        },
      ),
    );
  });

  it('is not packed when it is small', () => {
    const block = MessageBlock.of(0, [sampleMessage({ seq: 1, text: 'short' })], 1);
    expect(block.pack()).toBe(false);
    expect(block.isPacked).toBe(false);
  });
});
