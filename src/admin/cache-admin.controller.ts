import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import { CacheState } from '../cache/cache-state.js';
import { CACHE_FAMILIES, CacheStats, type CacheFamily } from '../cache/cache-stats.js';
import type { CacheMode } from '../cache/cache-options.js';
import { Explainer, type Explanation } from '../cache/coherence/verify/explainer.js';
import { Verifier, type VerifyReport } from '../cache/coherence/verify/verifier.js';
import { COHERENCE_BUS, type BusName, type CoherenceBus } from '../cache/coherence/bus/coherence-bus.js';
import { ModeSwitch } from '../cache/lifecycle/mode-switch.js';
import { chatPath, noBody, noQuery } from '../chat/input-schemas.js';
import { Route } from '../chat/api-operation.js';
import { cacheModeBody, verifyBody } from './input-schemas.js';
import { cacheModeSchema, cacheReportSchema, explanationSchema, verifyReportSchema } from './wire-schemas.js';
import { orUnavailable } from '../storage/database-unavailable.js';
import { ChatDropper } from '../cache/read/chat-dropper.js';
import { ServicesOnly } from '../auth/services-only.js';

/** The cache as its operators see it. */
export interface CacheReport {
  readonly mode: string;
  readonly policy: string;
  readonly bytes: number;
  readonly maxBytes: number;
  readonly chats: number;
  readonly blocks: number;
  /** 0 to 1 by what was read; `null` before the first read. */
  readonly hitRate: Readonly<Record<CacheFamily, number | null>>;
  readonly evictions: number;
  readonly loads: number;
  readonly coherence: {
    /** By what instances tell each other of changes. */
    readonly bus: BusName;
    /** Milliseconds since what is held was known to be current; `null` before the first time. */
    readonly lastConfirmedMs: number | null;
    /** Whether that is too long ago for it to be told as fresh. */
    readonly inDoubt: boolean;
    /** Answers that contradicted the database; must be 0. */
    readonly divergence: number;
  };
}

/** What operators ask and tell the cache. */
@ApiTags('operations')
@ServicesOnly()
@Controller('v1/admin/cache')
export class CacheAdminController {
  constructor(
    private readonly state: CacheState,
    private readonly stats: CacheStats,
    private readonly modes: ModeSwitch,
    private readonly verifier: Verifier,
    private readonly explainer: Explainer,
    private readonly dropper: ChatDropper,
    @Inject(COHERENCE_BUS) private readonly bus: Pick<CoherenceBus, 'name'>,
  ) {}

  @Route({
    id: 'cache.report',
    summary: 'The state of the cache.',
    answers: { 200: cacheReportSchema },
    problems: [403],
  })
  @Get()
  report(): CacheReport {
    const { store, mode } = this.state;
    const { lastConfirmedMs, isInDoubt } = this.state.lease;
    return {
      mode,
      policy: store.policy,
      bytes: store.bytes,
      maxBytes: store.maxBytes,
      chats: store.chatCount,
      blocks: store.blockCount,
      hitRate: Object.fromEntries(
        CACHE_FAMILIES.map((family) => [family, this.stats.hitRate(family)]),
      ) as CacheReport['hitRate'],
      evictions: store.removals.budget,
      loads: this.stats.loads.ok,
      coherence: {
        bus: this.bus.name,
        lastConfirmedMs: lastConfirmedMs === undefined ? null : Math.round(lastConfirmedMs),
        inDoubt: isInDoubt,
        divergence: this.stats.divergence,
      },
    };
  }

  @Route({
    id: 'cache.setMode',
    summary: 'Turn the cache on or off, or let it be compared with the database.',
    answers: { 200: cacheModeSchema },
    problems: [413, 415],
  })
  @Put('mode')
  setMode(
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: cacheModeBody }) { mode }: z.infer<typeof cacheModeBody>,
  ): { readonly mode: CacheMode } {
    this.modes.set(mode);
    return { mode: this.state.mode };
  }

  /** Compares what is held with the database. */
  @Route({
    id: 'cache.verify',
    summary: 'Compare what is held with the database.',
    answers: { 200: verifyReportSchema },
    problems: [413, 415],
  })
  @Post('verify')
  @HttpCode(200)
  verify(
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: verifyBody }) options: z.infer<typeof verifyBody>,
  ): Promise<VerifyReport> {
    return orUnavailable(this.verifier.verify(options));
  }

  /** Tells what is held of a chat and how it came about. */
  @Route({
    id: 'cache.explain',
    summary: 'What is held of a chat, and how it came about.',
    answers: { 200: explanationSchema },
    problems: [403],
  })
  @Get('chats/:chatId')
  explain(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: noQuery }) _query: object,
  ): Promise<Explanation> {
    return this.explainer.explain(chatId);
  }

  /** Forgets a chat, so that its next reader loads it. Nothing is said if it was not held. */
  @Route({
    id: 'cache.forget',
    summary: 'Forget a chat, so that its next reader loads it.',
    answers: { 204: null },
    problems: [403],
  })
  @Delete('chats/:chatId')
  @HttpCode(204)
  forget(
    @Param({ schema: chatPath }) { chatId }: z.infer<typeof chatPath>,
    @Query({ schema: noQuery }) _query: object,
    @Body({ schema: noBody }) _body: object | undefined,
  ): void {
    this.dropper.drop(chatId);
  }
}
