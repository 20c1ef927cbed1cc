import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RespError, RespReader, type RespReply } from '../../src/redis/resp-reader.js';

const line = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replaceAll(/[\r\n]/g, ''));

const { reply } = fc.letrec<{ reply: RespReply }>((tie) => ({
  reply: fc.oneof(
    { depthSize: 'small', maxDepth: 3, withCrossShrink: true },
    line,
    line.map((text): RespReply => new RespError(text)),
    fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
    fc.uint8Array({ maxLength: 300 }).map((bytes): RespReply => Buffer.from(bytes)),
    fc.constant(null),
    fc.array(tie('reply'), { maxLength: 4 }),
  ),
}));

function encode(value: RespReply): Buffer {
  if (value === null) return Buffer.from('$-1\r\n');
  if (typeof value === 'string') return Buffer.from(`+${value}\r\n`);
  if (typeof value === 'number') return Buffer.from(`:${value}\r\n`);
  if (value instanceof RespError) return Buffer.from(`-${value.message}\r\n`);
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(`*${value.length}\r\n`), ...value.map(encode)]);
}

/** A copy of an answer, whose memory is used again. */
function copyOf(value: RespReply): RespReply {
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  return Array.isArray(value) ? (value as readonly RespReply[]).map(copyOf) : value;
}

/** What is read of bytes that come in pieces of these sizes, all in the same memory. */
function read(bytes: Buffer, sizes: readonly number[]): RespReply[] {
  const replies: RespReply[] = [];
  const reader = new RespReader((value) => void replies.push(copyOf(value)));
  const memory = Buffer.alloc(Math.max(1, ...sizes));
  for (let at = 0, piece = 0; at < bytes.length; piece++) {
    const size = bytes.copy(memory, 0, at, at + sizes[piece % sizes.length]!);
    reader.write(memory.subarray(0, size));
    memory.fill(0x2a);
    at += size;
  }
  return replies;
}

describe('what Redis answers', () => {
  it('is read as it was, in whatever pieces it comes', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 6 }), sizes, (replies, pieces) => {
        expect(read(Buffer.concat(replies.map(encode)), pieces)).toEqual(replies);
      }),
    );
  });

  it('is not copied when it comes in one piece', () => {
    const piece = encode([Buffer.from('smessage'), Buffer.from('channel'), Buffer.from('message')]);
    let message: Buffer | undefined;
    new RespReader((value) => void (message = (value as Buffer[])[2])).write(piece);
    expect(message?.toString()).toBe('message');
    expect(message?.buffer).toBe(piece.buffer);
  });

  it('may be as large as a message of the bus, a byte at a time', () => {
    const large = Buffer.alloc(256 * 1024, 'x');
    expect(read(encode([large, 1]), [1])).toEqual([[large, 1]]);
  });

  it.each([
    '?1\r\n',
    '+OK\n\r\n\rx',
    ':x\r\n',
    ':\r\n',
    ':1.5\r\n',
    '$-2\r\n',
    `$${2 ** 20 + 1}\r\n`,
    '*1001\r\n',
    `*1\r\n`.repeat(6),
    `+${'x'.repeat(5000)}`,
    '\r\n',
  ])('that is none is refused: %j', (text) => {
    const reader = new RespReader(() => undefined);
    expect(() => reader.write(Buffer.from(text))).toThrow(/Redis answers in another way than Redis does/);
  });
});
