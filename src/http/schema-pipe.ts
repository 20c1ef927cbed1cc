import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import { z } from 'zod';
import { invalidField } from '../common/scrollback-error.js';
import { inputError } from './input-error.js';

/** Keys that schemas pass over, because they have a meaning of their own in JavaScript objects. */
const HIDDEN_KEYS = ['__proto__', 'constructor', 'prototype'];

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
      const hidden = HIDDEN_KEYS.find((key) => Object.hasOwn(value, key));
      if (hidden !== undefined) throw invalidField(hidden, 'is not a known field');
    }
    const result = schema.safeParse(value);
    if (!result.success) throw inputError(result.error.issues);
    return result.data;
  }
}
