import { z } from 'zod';
import { CACHE_MODES } from '../cache/cache-options.js';
import { APPLIED_FROM } from '../cache/coherence/applied-log.js';
import { BUS_NAMES } from '../cache/coherence/bus/coherence-bus.js';
import { DIVERGENCE_KINDS } from '../cache/coherence/verify/compare-chat.js';
import { EVICTION_POLICIES } from '../cache/local/eviction/eviction-policy.js';
import { UUID_PATTERN } from '../common/uuid.js';

/** Schemas of what operators are answered. */

const count = z.int().min(0);
const milliseconds = z.number().min(0);
const rate = z.number().min(0).max(1).nullable();
const version = z.int().min(0);

/** `GET /v1/admin/cache`. */
export const cacheReportSchema = z
  .strictObject({
    mode: z.enum(CACHE_MODES),
    policy: z.enum(EVICTION_POLICIES),
    bytes: count,
    maxBytes: count,
    chats: count,
    blocks: count,
    hitRate: z.strictObject({ chat: rate, messages: rate, participants: rate, inbox: rate }),
    evictions: count,
    loads: count,
    coherence: z.strictObject({
      bus: z.enum(BUS_NAMES),
      lastConfirmedMs: milliseconds.nullable(),
      inDoubt: z.boolean(),
      divergence: count,
    }),
  })
  .meta({ id: 'CacheReport' });

/** `PUT /v1/admin/cache/mode`. */
export const cacheModeSchema = z.strictObject({ mode: z.enum(CACHE_MODES) }).meta({ id: 'CacheMode' });

/** `POST /v1/admin/cache/verify`. */
export const verifyReportSchema = z
  .strictObject({
    checked: count,
    divergent: z.array(
      z.strictObject({
        chatId: z.string().regex(UUID_PATTERN).meta({ format: 'uuid' }),
        cachedVersion: version.nullable(),
        databaseVersion: version,
        kind: z.enum(DIVERGENCE_KINDS),
      }),
    ),
    repaired: count,
  })
  .meta({ id: 'VerifyReport' });

const source = z.enum(APPLIED_FROM);

/** `GET /v1/admin/cache/chats/{chatId}`. */
export const explanationSchema = z
  .union([
    z.strictObject({ cached: z.literal(false) }),
    z.strictObject({
      cached: z.literal(true),
      present: z.boolean(),
      cachedVersion: version,
      heardVersion: version,
      databaseVersion: version.nullable(),
      blocks: z.array(z.strictObject({ fromSeq: count, toSeq: count, bytes: count, packed: z.boolean() })),
      bytes: count,
      participants: count,
      source,
      hits: count,
      changes: z.array(z.strictObject({ version, kind: z.string(), from: source, ageMs: milliseconds })),
    }),
  ])
  .meta({ id: 'CacheExplanation' });
