import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { invalidField } from '../common/scrollback-error.js';
import { FORBIDDEN_KEYS } from '../common/storable-json.js';
import { inputError } from './input-error.js';

/**
 * Checks what a handler is given against the schema that its parameter names, and gives the handler what the schema makes
 * of it. Nest's own pipe silently drops keys such as `__proto__`; here they are unknown fields like others. (Bodies with
 * such keys have been refused before, when they were parsed.)
 */
@Injectable()
export class SchemaPipe implements PipeTransform {
  /** @throws ScrollbackError `invalid_input`, naming every field that is wrong. */
  transform(value: unknown, { schema, type }: ArgumentMetadata): unknown {
    if (!(schema instanceof z.ZodType)) return value;
    if (type === 'query' && typeof value === 'object' && value !== null) {
      const hidden = Object.keys(value).find((key) => FORBIDDEN_KEYS.has(key));
      if (hidden !== undefined) throw invalidField(hidden, 'is not a known field');
    }
    const result = schema.safeParse(value);
    if (!result.success) throw inputError(result.error.issues);
    return result.data;
  }
}
