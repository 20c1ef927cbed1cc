import { showKey } from '../common/storable-json.js';
import { ScrollbackError, type FieldError } from '../common/scrollback-error.js';

/** One finding of a schema. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  readonly keys?: readonly string[];
}

/** Fields named by one answer at most. */
const FIELDS_SHOWN = 20;

/** Makes the error for input that a schema has refused, with every field that is wrong. */
export function inputError(issues: readonly SchemaIssue[]): ScrollbackError {
  const errors = issues.flatMap(fieldErrors).slice(0, FIELDS_SHOWN);
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join('; ');
  return new ScrollbackError('invalid_input', detail, errors);
}

function fieldErrors(issue: SchemaIssue): FieldError[] {
  const path = pathText(issue.path ?? []);
  if (issue.keys !== undefined) {
    return issue.keys.map((key) => ({
      field: `${path === '' ? '' : `${path}.`}${showKey(key.slice(0, 100))}`,
      message: 'is not a known field',
    }));
  }
  return [{ field: path === '' ? 'body' : path, message: issue.message }];
}

function pathText(path: NonNullable<SchemaIssue['path']>): string {
  let text = '';
  for (const segment of path) {
    const key = typeof segment === 'object' ? segment.key : segment;
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? showKey(String(key)) : `.${showKey(String(key))}`;
  }
  return text;
}
