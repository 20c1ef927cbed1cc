import { afterEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { BusLink, LaneMessage, LinkListener } from '../../src/cache/coherence/bus/bus-link.js';
import { decodeMessage, encodeHead } from '../../src/cache/coherence/bus/change-codec.js';
import { LinkedBus } from '../../src/cache/coherence/bus/linked-bus.js';
import { asCommitted, type ChatChanges, type Committed } from '../../src/storage/write/change.js';
import { BusEar, until } from '../support/bus-ear.js';
import { sampleChatId, sampleMessage } from './sample-records.js';

Logger.overrideLogger(false);

const CHAT = sampleChatId(1);
const RUN = 'run';

function sent(version: number): Committed<ChatChanges> {
  const message = sampleMessage({ seq: version, text: `text ${version}` });
  return asCommitted({
    chatId: CHAT,
    changes: [{ type: 'message', version, cause: 'sent', message, wasCountable: false }],
  });
}

/** A message as it was when it was given to the link, and the memory that the link was given. */
interface Given {
  readonly bytes: Buffer;
  readonly was: Buffer;
}

/** A link that carries nothing before it is told to, and is slow to read what it was given. */
class SlowLink implements BusLink {
  readonly lanes = 1;
  readonly beatLanes = [0];
  readonly maxMessageBytes = 100_000;
  readonly given: Given[] = [];
  settle: ((isSent: boolean) => void) | undefined;
  sends = 0;
  #isLost = false;
  #listener: LinkListener | undefined;

  joinedLane(): number {
    return 0;
  }

  async open(listener: LinkListener): Promise<void> {
    this.#listener = listener;
    // A peer is there.
    listener.onMessage(Buffer.from(encodeHead({ sender: 'peer', sentAtMs: 0, beat: 1, run: '' })), 0);
  }

  /** Breaks, for ever, as what is sent on it does. */
  lose(): void {
    this.#isLost = true;
    this.#listener?.onLost('The other side has gone.');
    this.settle?.(false);
  }

  send(messages: readonly LaneMessage[]): Promise<void> {
    this.sends++;
    // One who tries again for ever would leave no turn to find it by.
    if (this.#isLost && this.sends < 1000) return Promise.reject(new Error('The link is not open.'));
    for (const { bytes } of messages) {
      this.given.push({ bytes, was: Buffer.from(bytes) });
      this.#listener?.onMessage(bytes, 0);
    }
    // Heartbeats go at once.
    if (!messages.some(({ bytes }) => versionsOf(bytes).length > 0)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.settle = (isSent) => {
        this.settle = undefined;
        if (isSent) resolve();
        else reject(new Error('The link has failed.'));
      };
    });
  }

  close(): void {}

  /** Versions that were given to it in full, in order. */
  get versions(): number[] {
    return this.given.flatMap(({ was }) => versionsOf(was));
  }
}

function versionsOf(message: Buffer): number[] {
  return decodeMessage(message, 'nobody', () => true)!.heard.map(({ version }) => version);
}

let link: SlowLink;
let bus: LinkedBus;

async function start(): Promise<void> {
  link = new SlowLink();
  bus = new LinkedBus('redis', link);
  await bus.start(new BusEar());
}
afterEach(async () => {
  const stopped = bus.stop();
  link.settle?.(true);
  await stopped;
});

function untilItSends(): Promise<void> {
  return until('it sends', () => link.settle !== undefined);
}

describe('a bus that stops', () => {
  it('gives up what it was sending when its link is lost meanwhile', async () => {
    await start();
    bus.publish(RUN, sent(1));
    await untilItSends();
    bus.publish(RUN, sent(2));
    const { sends } = link;
    const stopped = bus.stop();
    link.lose();
    await stopped;
    expect(link.sends).toBe(sends);
  });
});

describe('the memory of messages', () => {
  const areAsGiven = (): boolean => link.given.every(({ bytes, was }) => bytes.equals(was));

  it('is not written over while they are being sent, and is when they are', async () => {
    await start();
    bus.publish(RUN, sent(1));
    await untilItSends();
    for (let version = 2; version <= 100; version++) bus.publish(RUN, sent(version));
    expect(areAsGiven()).toBe(true);
    link.settle!(true);
    await untilItSends();
    expect(link.versions).toEqual(Array.from({ length: 100 }, (_unused, at) => at + 1));
    link.settle!(true);
    await until('the first is written over', () => {
      bus.publish(RUN, sent(101));
      return !areAsGiven();
    });
  });

  it('is never written over when they may not have been sent', async () => {
    await start();
    bus.publish(RUN, sent(1));
    await untilItSends();
    bus.publish(RUN, sent(2));
    link.settle!(false);
    // Opened again, the version is told of what was not.
    await untilItSends();
    expect(link.versions).toEqual([1, 2]);
    for (let version = 3; version <= 50; version++) bus.publish(RUN, sent(version));
    link.settle!(true);
    await untilItSends();
    expect(link.versions.at(-1)).toBe(50);
    expect(link.given.filter(({ was }) => versionsOf(was).includes(1))).toHaveLength(1);
    const [failed] = link.given.filter(({ was }) => versionsOf(was).includes(1));
    expect(failed!.bytes.equals(failed!.was)).toBe(true);
  });
});
