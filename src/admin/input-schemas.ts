import { z } from 'zod';
import { CACHE_MODES } from '../cache/cache-options.js';
import { chatId } from '../chat/input-schemas.js';

/** `PUT /v1/admin/cache/mode`. */
export const cacheModeBody = z.strictObject({ mode: z.enum(CACHE_MODES) });

/** `POST /v1/admin/cache/verify`. Without a body everything is compared. */
export const verifyBody = z
  .strictObject({
    repair: z.boolean().optional(),
    chatIds: z.array(chatId).max(10_000).optional(),
    sample: z.number().min(0).max(1).optional(),
  })
  .default({})
  .meta({ id: 'VerifyOptions' });
