import { Injectable } from '@nestjs/common';
import { HeadRepository } from '../../../storage/head-repository.js';
import { CacheState } from '../../cache-state.js';
import type { AppliedFrom } from '../applied-log.js';

/** Steps told of a chat. */
const STEPS = 20;

/** What is held of a chat and how it came about. */
export type Explanation =
  | { readonly cached: false }
  | {
      readonly cached: true;
      /** Whether the chat exists: that it does not is held as well. */
      readonly present: boolean;
      readonly cachedVersion: number;
      /** The highest version heard of; above `cachedVersion` the next reader repairs the entry. */
      readonly heardVersion: number;
      /** `null` when the database does not answer. */
      readonly databaseVersion: number | null;
      readonly blocks: readonly BlockExplanation[];
      /** Bytes of the entry and its blocks. */
      readonly bytes: number;
      readonly participants: number;
      /** How the entry came into the cache. */
      readonly source: AppliedFrom;
      /** Reads since then. */
      readonly hits: number;
      /** The last steps, the newest first, as far as they are remembered. */
      readonly changes: readonly StepExplanation[];
    };

/** A block of messages that is held. */
export interface BlockExplanation {
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly bytes: number;
  readonly packed: boolean;
}

/** A step that brought an entry to a version. */
export interface StepExplanation {
  readonly version: number;
  readonly kind: string;
  readonly from: AppliedFrom;
  readonly ageMs: number;
}

/** Tells what is held of a chat, for somebody who doubts an answer. */
@Injectable()
export class Explainer {
  constructor(
    private readonly state: CacheState,
    private readonly heads: HeadRepository,
  ) {}

  /** Explains what is held of a chat. Not a use of it. */
  async explain(chatId: string): Promise<Explanation> {
    const databaseVersion = await this.heads.findVersions([chatId]).then(
      ({ versions }) => versions.get(chatId) ?? 0,
      () => null,
    );
    const entry = this.state.store.getChat(chatId);
    if (entry === undefined) return { cached: false };
    const blocks = [...entry.blocks.values()].sort((one, other) => one.index - other.index);
    const now = Date.now();
    return {
      cached: true,
      present: entry.isPresent,
      cachedVersion: entry.version,
      heardVersion: entry.heardVersion,
      databaseVersion,
      blocks: blocks.map(({ firstSeq, endSeq, bytes, isPacked }) => ({
        fromSeq: firstSeq,
        toSeq: endSeq,
        bytes,
        packed: isPacked,
      })),
      bytes: blocks.reduce((sum, { bytes }) => sum + bytes, entry.bytes),
      participants: entry.members.size,
      source: entry.source,
      hits: entry.hits,
      changes: this.state.applied
        .of(chatId, STEPS)
        .map(({ version, kind, from, atMs }) => ({ version, kind, from, ageMs: now - atMs })),
    };
  }
}
