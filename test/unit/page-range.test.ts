import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ChatEntry } from '../../src/cache/local/chat-entry.js';
import { DEFAULT_PAGE_LIMIT, pageRange, rangeOf, type SeqRange } from '../../src/cache/read/page-range.js';
import { sampleChatId, sampleLoadedChat, sampleParticipant } from './sample-records.js';

const lastSeq = fc.nat(500);
const limit = fc.integer({ min: 1, max: 200 });
const place = fc.oneof(fc.integer({ min: 1, max: 600 }), fc.constantFrom(1, Number.MAX_SAFE_INTEGER));

function seqsOf({ fromSeq, toSeq }: SeqRange): number[] {
  return Array.from({ length: Math.max(0, toSeq - fromSeq + 1) }, (_unused, at) => fromSeq + at);
}

function line(end: number): number[] {
  return Array.from({ length: end }, (_unused, at) => at + 1);
}

describe('the range of a page', () => {
  it('is the latest messages when no place is named', () => {
    fc.assert(
      fc.property(lastSeq, limit, (end, most) => {
        expect(seqsOf(pageRange({ limit: most }, end))).toEqual(line(end).slice(-most));
      }),
    );
  });

  it('is the nearest messages before a seq', () => {
    fc.assert(
      fc.property(lastSeq, limit, place, (end, most, before) => {
        const expected = line(end)
          .filter((seq) => seq < before)
          .slice(-most);
        expect(seqsOf(pageRange({ before, limit: most }, end))).toEqual(expected);
      }),
    );
  });

  it('is the nearest messages after a seq', () => {
    fc.assert(
      fc.property(lastSeq, limit, fc.oneof(place, fc.constant(0)), (end, most, after) => {
        const expected = line(end)
          .filter((seq) => seq > after)
          .slice(0, most);
        expect(seqsOf(pageRange({ after, limit: most }, end))).toEqual(expected);
      }),
    );
  });

  it('is full around a seq, and has it in the middle where both sides have enough', () => {
    fc.assert(
      fc.property(lastSeq, limit, place, (end, most, around) => {
        const range = pageRange({ around, limit: most }, end);
        const seqs = seqsOf(range);
        expect(seqs).toHaveLength(Math.min(most, end));
        if (end === 0) return;
        const centre = Math.min(around, end);
        expect(seqs).toContain(centre);
        expect(range.fromSeq).toBeGreaterThanOrEqual(1);
        expect(range.toSeq).toBeLessThanOrEqual(end);
        const [older, newer] = [centre - range.fromSeq, range.toSeq - centre];
        if (range.fromSeq > 1 && range.toSeq < end) expect(older - newer).toBe(most % 2 === 0 ? 1 : 0);
      }),
    );
  });

  it('leads through the whole chat in both directions, each message once', () => {
    fc.assert(
      fc.property(lastSeq, limit, (end, most) => {
        const backward: number[] = [];
        for (let range = pageRange({ limit: most }, end); range.toSeq >= range.fromSeq;) {
          backward.unshift(...seqsOf(range));
          range = pageRange({ before: range.fromSeq, limit: most }, end);
        }
        const forward: number[] = [];
        for (let range = pageRange({ after: 0, limit: most }, end); range.toSeq >= range.fromSeq;) {
          forward.push(...seqsOf(range));
          range = pageRange({ after: range.toSeq, limit: most }, end);
        }
        expect([backward, forward]).toEqual([line(end), line(end)]);
      }),
    );
  });
});

describe('the range of a page of a chat whose oldest messages are gone', () => {
  it('has of a line that begins later what it has of a whole one, further on', () => {
    const query = fc.oneof(
      fc.constant({}),
      place.map((before) => ({ before })),
      fc.nat(600).map((after) => ({ after })),
      place.map((around) => ({ around })),
    );
    fc.assert(
      fc.property(lastSeq, fc.nat(300), limit, query, (length, gone, most, wanted) => {
        const moved = Object.fromEntries(Object.entries(wanted).map(([name, seq]) => [name, seq + gone]));
        const range = pageRange({ ...moved, limit: most }, length + gone, gone + 1);
        const whole = pageRange({ ...wanted, limit: most }, length);
        expect(seqsOf(range)).toEqual(seqsOf(whole).map((seq) => seq + gone));
        // From a place that is gone, it is the same as from where the line begins.
        const behind = pageRange({ after: Math.floor(gone / 2), limit: most }, length + gone, gone + 1);
        expect(seqsOf(behind)).toEqual(
          line(length)
            .slice(0, most)
            .map((seq) => seq + gone),
        );
        expect(seqsOf(pageRange({ before: gone, limit: most }, length + gone, gone + 1))).toEqual([]);
      }),
    );
  });
});

describe('the range around the first unread message', () => {
  function entry(end: number, lastReadSeq: number): ChatEntry {
    const loaded = sampleLoadedChat(sampleChatId(1), { lastSeq: end, tail: 0, userIds: [] });
    return new ChatEntry(loaded.chatId, {
      ...loaded,
      participants: [sampleParticipant({ userId: 'alice', lastReadSeq })],
    });
  }

  it('is the range around the message behind the read marker', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), limit, fc.nat(499), (end, most, marker) => {
        const lastReadSeq = marker % end;
        const range = rangeOf({ around: 'firstUnread', reader: 'alice', limit: most }, entry(end, lastReadSeq));
        expect(range).toEqual(pageRange({ around: lastReadSeq + 1, limit: most }, end));
      }),
    );
  });

  it('is the latest page for who has read everything and for who is not in the chat', () => {
    const latest = pageRange({ limit: 10 }, 50);
    expect(rangeOf({ around: 'firstUnread', reader: 'alice', limit: 10 }, entry(50, 50))).toEqual(latest);
    expect(rangeOf({ around: 'firstUnread', reader: 'mallory', limit: 10 }, entry(50, 3))).toEqual(latest);
    expect(rangeOf({ around: 'firstUnread', reader: 'alice', limit: 10 }, entry(0, 0))).toEqual({
      fromSeq: 1,
      toSeq: 0,
    });
  });

  it('has the default length when none is named', () => {
    expect(seqsOf(rangeOf({}, entry(500, 0)))).toHaveLength(DEFAULT_PAGE_LIMIT);
  });
});
