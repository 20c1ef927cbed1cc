import { z } from 'zod';

/** Schemas of what probes are answered. */

const parts = z.record(z.string(), z.looseObject({ status: z.enum(['up', 'down']) }));

/** `GET /health/live`. */
export const livenessSchema = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Liveness' });

/** `GET /health/ready` and `GET /health/startup`: `details` names each part. */
export const healthSchema = z
  .strictObject({
    status: z.enum(['ok', 'error', 'shutting_down']),
    info: parts.optional(),
    error: parts.optional(),
    details: parts,
  })
  .meta({ id: 'Health' });
