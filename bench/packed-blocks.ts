import { BLOCK_SIZE, MessageBlock } from '../src/cache/local/message-block.js';
import { probeMessage } from './probe/cache-probe.js';
import { writeSection } from './report.js';

const ROUNDS = 5;
const PAGE = 50;
/** Pages read from a plain block for each one read from a packed block: they take much less time. */
const PLAIN_READS = 40;

/** What a block costs plain and packed, by the same blocks; writes the section. */
export function benchPackedBlocks(texts: readonly string[], origin: string): void {
  const plainBytes: number[] = [];
  const packedBytes: number[] = [];
  const plainRead: number[] = [];
  const packedRead: number[] = [];
  const packing: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const blocks = makeBlocks(texts);
    const messages = blocks.length * BLOCK_SIZE;
    const bytesEach = (): number => blocks.reduce((sum, block) => sum + block.bytes, 0) / messages;
    const microseconds = (work: (block: MessageBlock) => unknown): number => {
      const startedMs = performance.now();
      for (const block of blocks) work(block);
      return ((performance.now() - startedMs) * 1000) / blocks.length;
    };
    const plain = bytesEach();
    const plainMicroseconds = microseconds((block) => {
      for (let time = 0; time < PLAIN_READS; time++) readPage(block);
    });
    const packMicroseconds = microseconds((block) => block.pack());
    const packed = bytesEach();
    const packedMicroseconds = microseconds(readPage);
    // The first round warms up.
    if (round < 0) continue;
    plainBytes.push(plain);
    packedBytes.push(packed);
    plainRead.push(plainMicroseconds / PLAIN_READS);
    packing.push(packMicroseconds);
    packedRead.push(packedMicroseconds);
  }
  const ratios = (values: readonly number[], to: readonly number[]): number[] =>
    values.map((each, at) => each / to[at]!);
  const size = 'what a message takes, overhead included';
  const time = 'time';
  writeSection(
    'Packed blocks',
    `Blocks of ${BLOCK_SIZE} messages with ${origin} texts, as they are and packed (deflate) as the store packs what it would otherwise ` +
      `drop; and a page of ${PAGE} copied out of a block: of a packed one the first, which unpacks it.`,
    [
      { table: size, name: 'plain', rounds: plainBytes, unit: 'bytes' },
      { table: size, name: 'packed', rounds: packedBytes, unit: 'bytes' },
      { table: size, name: 'plain / packed', rounds: ratios(plainBytes, packedBytes), unit: '' },
      { table: time, name: 'page from a plain block', rounds: plainRead, unit: 'µs' },
      { table: time, name: 'page from a packed block', rounds: packedRead, unit: 'µs' },
      { table: time, name: 'packing a block', rounds: packing, unit: 'µs' },
      { table: time, name: 'page, packed / plain', rounds: ratios(packedRead, plainRead), unit: '' },
    ],
  );
}

function makeBlocks(texts: readonly string[]): MessageBlock[] {
  const blocks: MessageBlock[] = [];
  for (let from = 0; from + BLOCK_SIZE <= texts.length; from += BLOCK_SIZE) {
    const messages = texts
      .slice(from, from + BLOCK_SIZE)
      .map((text, at) => probeMessage(at + 1, `user-${at % 20}`, text));
    blocks.push(MessageBlock.of(0, messages, BLOCK_SIZE));
  }
  if (blocks.length === 0) throw new Error(`A block needs ${BLOCK_SIZE} texts.`);
  return blocks;
}

/** As an answer does it. */
function readPage(block: MessageBlock): Buffer {
  return Buffer.concat([block.slice(block.endSeq - PAGE + 1, block.endSeq)]);
}
