import { setImmediate as nextTurn } from 'node:timers/promises';
import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { CacheUnderTest } from '../unit/cache-under-test.js';
import { sampleChatId } from '../unit/sample-records.js';
import { SoakDatabase, type SoakData } from './soak-database.js';

/** What to do. */
export interface SoakOptions extends SoakData {
  readonly budgetBytes: number;
  /** Goes on until so many bytes of messages are written and as many answered, and so many chats are read from the database. */
  readonly untilBytes: number;
  readonly untilFills: number;
  /** Bytes written for each byte read; 0: nothing is written. */
  readonly writes: number;
}

/** What a process that did so looks like; sizes in bytes. */
export interface SoakReport {
  /** Before anything was read. */
  readonly startRssBytes: number;
  /** At the end, as it is, and the highest seen. */
  readonly endRssBytes: number;
  readonly peakRssBytes: number;
  /** Heap and memory outside it after a full collection: when a tenth was done, and at the end. */
  readonly tenthUsedBytes: number;
  readonly endUsedBytes: number;
  /** The ledger at those times, and the highest seen. */
  readonly tenthLedgerBytes: number;
  readonly endLedgerBytes: number;
  readonly peakLedgerBytes: number;
  readonly writtenBytes: number;
  readonly readBytes: number;
  /** Chats read from the database, and entries and blocks that have gone. */
  readonly fills: number;
  readonly removals: number;
  readonly packedBlocks: number;
}

/** Readers at once. */
const READERS = 8;

/** A message's JSON beside its text. */
const MESSAGE_BYTES = 80;

// Run by `soak.test.ts` in a process of its own: the options as JSON; prints the report.
const options = JSON.parse(process.argv[2]!) as SoakOptions;
const database = new SoakDatabase(options);
const tested = new CacheUnderTest(database, async () => {}, { maxBytes: options.budgetBytes, tailMessages: 100 });
const { store } = tested.state;
const random = new SeededRandom(1);
const startRssBytes = process.memoryUsage.rss();
let writtenBytes = 0;
let readBytes = 0;
let peakRssBytes = 0;
let peakLedgerBytes = 0;
let tenth: { usedBytes: number; ledgerBytes: number } | undefined;

for (let round = 0; progress() < 1; round++) {
  await Promise.all(Array.from({ length: READERS }, read));
  if (round % 200 === 0) await tested.chats.warmMany(someChatIds(20));
  while (writtenBytes < readBytes * options.writes) write();
  if (round % 100 === 0) {
    // A process that never comes to its event loop frees no buffers.
    await nextTurn();
    peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss());
  }
  if (tenth === undefined && progress() >= 0.1) tenth = await settle();
}
const endRssBytes = process.memoryUsage.rss();
const end = await settle();
const report: SoakReport = {
  startRssBytes,
  endRssBytes,
  peakRssBytes: Math.max(peakRssBytes, endRssBytes),
  tenthUsedBytes: tenth!.usedBytes,
  endUsedBytes: end.usedBytes,
  tenthLedgerBytes: tenth!.ledgerBytes,
  endLedgerBytes: end.ledgerBytes,
  peakLedgerBytes,
  writtenBytes,
  readBytes,
  fills: database.loadedChats,
  removals: store.removals.budget,
  packedBlocks: store.packedBlockCount,
};
process.stdout.write(JSON.stringify(report));

/** The share of the work that is done. */
function progress(): number {
  const bytes = options.writes > 0 ? Math.min(readBytes, writtenBytes) : readBytes;
  return Math.min(
    options.untilBytes === 0 ? 1 : bytes / options.untilBytes,
    options.untilFills === 0 ? 1 : database.loadedChats / options.untilFills,
  );
}

/** Half of the chats asked for are few, the others any. */
function anyChat(): number {
  const { chats } = database;
  return random.next() < 0.5 ? Math.floor(chats * random.next() ** 8) : random.integer(chats);
}

/** Each once, as the warmer asks for them. */
function someChatIds(count: number): string[] {
  return [...new Set(Array.from({ length: count }, () => sampleChatId(anyChat())))];
}

async function read(): Promise<void> {
  const kind = random.next();
  if (kind < 0.02) {
    const inbox = await tested.cache.getUserChats(database.userId(random.integer(3 * database.chats)), { limit: 20 });
    readBytes += inbox.toBuffer().length;
  } else {
    const chat = anyChat();
    const chatId = sampleChatId(chat);
    const before = kind < 0.3 ? 1 + random.integer(database.lastSeq(chat)) : undefined;
    const page = await tested.cache.getMessages(chatId, { limit: 50, before });
    readBytes += page!.toBuffer().length;
    if (kind > 0.9) await tested.cache.getChat(chatId);
  }
  checkLedger();
}

function write(): void {
  const chat = anyChat();
  const isEdit = random.next() < 0.05;
  const change = isEdit ? database.edit(chat, 1 + random.integer(database.lastSeq(chat))) : database.send(chat);
  if (change.type === 'message') writtenBytes += Buffer.byteLength(change.message.text!) + MESSAGE_BYTES;
  tested.announce(sampleChatId(chat), change);
  checkLedger();
}

function checkLedger(): void {
  peakLedgerBytes = Math.max(peakLedgerBytes, store.bytes);
}

/** What is used when nothing is on its way and everything that can be collected is. */
async function settle(): Promise<{ usedBytes: number; ledgerBytes: number }> {
  for (let time = 0; time < 4; time++) {
    await nextTurn();
    global.gc!();
  }
  const { heapUsed, external } = process.memoryUsage();
  return { usedBytes: heapUsed + external, ledgerBytes: store.bytes };
}
