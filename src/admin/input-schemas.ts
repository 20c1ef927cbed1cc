import { z } from 'zod';
import { CACHE_MODES } from '../cache/cache-options.js';

/** `PUT /v1/admin/cache/mode`. */
export const cacheModeBody = z.strictObject({ mode: z.enum(CACHE_MODES) });
