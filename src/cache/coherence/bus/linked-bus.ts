import { Logger } from '@nestjs/common';
import { errorText } from '../../../common/error-fields.js';
import { uuidV7 } from '../../../common/uuid.js';
import { settlesWithin } from '../../../storage/embedded/wait-until.js';
import type { ChatChanges, Committed } from '../../../storage/write/change.js';
import type { BusLink, LaneMessage } from './bus-link.js';
import { decodeMessage, encodeHead, type MessageHead } from './change-codec.js';
import type { BusListener, BusName, CoherenceBus } from './coherence-bus.js';
import { BEAT_MS, Heartbeat } from './heartbeat.js';
import { Outbox, type Outgoing } from './outbox.js';
import { Pace } from './pace.js';

/**
 * A peer counts as there for this long after its last message. Shorter, and one that is paused for a moment is told less when it goes on; longer, and
 * an instance that was left alone publishes to nobody for longer.
 */
const PEER_MS = 10_000;

/** What is published while there is no peer is kept until the next heartbeat but one, for one that is just coming, and no more of it than this. */
const MAX_KEPT = 1000;

/** A start waits this long for the first heartbeat to come back, and then goes on without. */
const START_TIMEOUT_MS = 3000;

/** Between two attempts to open the link: the first wait, doubled up to the longest, of which a random part is left out. */
const REOPEN_MIN_MS = 100;
const REOPEN_MAX_MS = 5000;

/** A stop waits this long for what is still to be sent. */
const STOP_TIMEOUT_MS = 1000;

/**
 * A bus over a link: coalesces what is published, tells by heartbeats whether it arrives, and opens the link anew when it does not.
 *
 * Without peers there is nothing to tell: an instance that has heard of none, and each tells of itself by its heartbeats, sends its own heartbeats and
 * nothing else. Who comes later looks into the database when it has begun to listen, so that it misses nothing by that.
 *
 * The link is *closed* (a timer will open it), *opening*, or *open*. While it is not open, chats' versions wait instead of changes. It is
 * given up when it says that it is lost, when a send fails, and when heartbeats stay out. The pause before it is opened again is
 * back at its shortest once a heartbeat has come back, not before: a link that opens and carries nothing is tried ever less often.
 */
export class LinkedBus implements CoherenceBus {
  readonly #logger = new Logger('Coherence');
  readonly #sender = uuidV7();
  readonly #heartbeat: Heartbeat;
  readonly #outbox: Outbox;
  readonly #pace = new Pace();
  #listener: BusListener | undefined;
  #state: 'closed' | 'opening' | 'open' = 'closed';
  #isStopped = false;
  #isFailing = false;
  #failures = 0;
  /** Lanes whose heartbeat is to be sent. */
  #dueBeats: readonly number[] = [];
  #sending: Promise<void> | undefined;
  /** Calls off the next flush; `undefined`: none is planned. */
  #cancelFlush: (() => void) | undefined;
  #peerHeardAtMs = -Infinity;
  /** Changes that nobody was there to hear, and how many of them are from before the last heartbeat. */
  #kept: { readonly run: string; readonly changes: Committed<ChatChanges> }[] = [];
  #keptBefore = 0;
  #beatTimer: NodeJS.Timeout | undefined;
  #openTimer: NodeJS.Timeout | undefined;
  #onFirstBeat: (() => void) | undefined;
  #published = 0;
  #heard = 0;
  #unreadable = 0;

  constructor(
    readonly name: Exclude<BusName, 'none'>,
    private readonly link: BusLink,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#heartbeat = new Heartbeat(now);
    this.#outbox = new Outbox(link.maxMessageBytes);
  }

  get isHealthy(): boolean {
    return this.#state === 'open' && this.#heartbeat.isHealthy(this.link.beatLanes);
  }

  /** Whether a peer has said something lately. */
  get hasPeers(): boolean {
    return this.now() - this.#peerHeardAtMs <= PEER_MS;
  }

  /** Sets of changes given to {@link publish} so far. */
  get published(): number {
    return this.#published;
  }

  /** What peers have told so far: sets of changes, and versions. */
  get heard(): number {
    return this.#heard;
  }

  /** Published sets that were not even told as a version, and messages of peers that could not be read. */
  get dropped(): number {
    return this.#outbox.dropped + this.#unreadable;
  }

  /** Published sets that were told as a version only. */
  get versionOnly(): number {
    return this.#outbox.versionOnly;
  }

  /** Bytes of changes that wait for being sent. */
  get waitingBytes(): number {
    return this.#outbox.waitingBytes;
  }

  async start(listener: BusListener): Promise<void> {
    this.#listener = listener;
    this.#beatTimer = setInterval(() => this.#beat(), BEAT_MS).unref();
    const heard = new Promise<void>((resolve) => {
      this.#onFirstBeat = resolve;
    });
    void this.#open();
    await settlesWithin(heard, START_TIMEOUT_MS);
  }

  publish(run: string, changes: Committed<ChatChanges>): void {
    if (this.#isStopped) return;
    this.#published++;
    if (this.#state === 'open' && !this.hasPeers) {
      if (this.#kept.length < MAX_KEPT) this.#kept.push({ run, changes });
      return;
    }
    this.#tell(run, changes);
    this.#planFlush();
  }

  #tell(run: string, changes: Committed<ChatChanges>): void {
    this.#outbox.add(run, changes, this.#state === 'open' ? this.#laneOf(changes.chatId) : undefined);
  }

  /** A peer has said something: what it may have come too late to find in the database is told as well. */
  #notePeer(): void {
    this.#peerHeardAtMs = this.now();
    if (this.#kept.length === 0) return;
    this.#keptBefore = 0;
    for (const { run, changes } of this.#kept.splice(0)) this.#tell(run, changes);
    this.#planFlush();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancelFlush?.();
    for (const timer of [this.#beatTimer, this.#openTimer]) clearTimeout(timer);
    this.#onFirstBeat?.();
    await settlesWithin(this.#drain(), STOP_TIMEOUT_MS);
    this.#state = 'closed';
    this.link.close();
  }

  async #drain(): Promise<void> {
    while (this.#state === 'open' && (this.#sending !== undefined || !this.#outbox.isEmpty)) {
      this.#flush();
      await this.#sending;
    }
  }

  async #open(): Promise<void> {
    this.#state = 'opening';
    try {
      await this.link.open({
        onMessage: (message, lane) => this.#receive(message, lane),
        onLost: (reason) => this.#giveUp(reason),
      });
    } catch (error) {
      this.#state = 'closed';
      this.#giveUp(errorText(error));
      return;
    }
    if (this.#isStopped) {
      this.link.close();
      return;
    }
    this.#state = 'open';
    this.#heartbeat.reset();
    this.#listener?.onGap();
    this.#beat();
  }

  /** Closes the link, and opens it again after a while. */
  #giveUp(reason: string): void {
    if (this.#state === 'opening') return;
    this.#state = 'closed';
    // Who stops closes the link, and has nothing more to send by it.
    if (this.#isStopped) return;
    this.link.close();
    this.#heartbeat.reset();
    this.#outbox.forgetChanges();
    if (!this.#isFailing) this.#logger.warn(`The bus (${this.name}) does not work; polls go on. ${reason}`);
    this.#isFailing = true;
    const pauseMs = Math.min(REOPEN_MAX_MS, REOPEN_MIN_MS * 2 ** this.#failures++);
    clearTimeout(this.#openTimer);
    // All instances lose a server at the same moment, and must not come back to it at the same moment.
    this.#openTimer = setTimeout(() => void this.#open(), pauseMs * (0.5 + Math.random() / 2)).unref();
  }

  #beat(): void {
    if (this.#state !== 'open' || this.#isStopped) return;
    if (this.#heartbeat.isSilent(this.link.beatLanes)) {
      this.#giveUp('What is sent does not come back.');
      return;
    }
    this.#heartbeat.begin();
    this.#kept.splice(0, this.#keptBefore);
    this.#keptBefore = this.#kept.length;
    this.#dueBeats = this.link.beatLanes;
    this.#flush();
  }

  #planFlush(): void {
    if (this.#state !== 'open' || this.#cancelFlush !== undefined) return;
    const restMs = this.#pace.restMs(this.now());
    if (restMs > 0) {
      const timer = setTimeout(() => this.#flush(), restMs);
      this.#cancelFlush = () => clearTimeout(timer);
    } else {
      // What is published in the same turn goes along.
      const immediate = setImmediate(() => this.#flush());
      this.#cancelFlush = () => clearImmediate(immediate);
    }
  }

  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    // Whoever is sending looks again when it is done.
    if (this.#sending !== undefined || this.#state !== 'open') return;
    if (this.#outbox.isEmpty && this.#dueBeats.length === 0) return;
    this.#pace.noteSend(this.now(), this.#published);
    const [sender, sentAtMs, beat] = [this.#sender, Date.now(), this.#heartbeat.number];
    const headOf = (run: string): MessageHead => ({ sender, sentAtMs, beat, run });
    const changes = this.#outbox.take(headOf, (chatId) => this.#laneOf(chatId));
    // Any own message that comes back proves its lane.
    const told = new Set(changes.messages.map(({ lane }) => lane));
    const beats = this.#dueBeats
      .filter((lane) => !told.has(lane))
      .map((lane) => ({ lane, bytes: Buffer.from(encodeHead(headOf(''))) }));
    this.#dueBeats = [];
    this.#sending = this.#send(changes, beats);
  }

  /** The lane that a chat goes by while the link is open. When it is lost, what waits in full is given up. */
  #laneOf(chatId: string): number {
    return this.link.joinedLane(laneOf(chatId, this.link.lanes));
  }

  async #send(changes: Outgoing, beats: readonly LaneMessage[]): Promise<void> {
    try {
      await this.link.send([...changes.messages, ...beats]);
      this.#sending = undefined;
      changes.done();
    } catch (error) {
      this.#sending = undefined;
      changes.undo();
      if (this.#state === 'open') this.#giveUp(errorText(error));
    }
    if (this.#isStopped) return;
    if (this.#dueBeats.length > 0) this.#flush();
    else if (!this.#outbox.isEmpty) this.#planFlush();
  }

  #receive(bytes: Buffer, lane: number): void {
    const listener = this.#listener;
    // A link that is being opened listens already; what it brings is as good.
    if (this.#isStopped || this.#state === 'closed' || listener === undefined) return;
    const message = decodeMessage(bytes, this.#sender, (chatId, members) => listener.wants(chatId, members));
    if (message === undefined) {
      this.#unreadable++;
      return;
    }
    if (message.head.sender === this.#sender) this.#noteReturn(lane, message.head.beat);
    else this.#notePeer();
    for (const heard of message.heard) {
      this.#heard++;
      listener.onHeard(heard);
    }
  }

  #noteReturn(lane: number, beat: number): void {
    this.#heartbeat.noteReturn(lane, beat);
    if (!this.isHealthy) return;
    this.#failures = 0;
    if (this.#isFailing) this.#logger.log(`The bus (${this.name}) works again.`);
    this.#isFailing = false;
    this.#onFirstBeat?.();
    this.#onFirstBeat = undefined;
  }
}

/** The lane of a chat, FNV-1a of its id: so all nodes of a cluster have as much to do. */
function laneOf(chatId: string, lanes: number): number {
  if (lanes === 1) return 0;
  let hash = 0x811c9dc5;
  for (let at = 0; at < chatId.length; at++) hash = Math.imul(hash ^ chatId.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % lanes;
}
