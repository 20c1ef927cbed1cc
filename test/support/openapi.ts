import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { z } from 'zod';

/** A schema of the document. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One operation of the document, as far as the tests look at it. */
export interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
  readonly responses: Readonly<Record<string, DescribedAnswer>>;
}

/** An answer as the document describes it. */
export interface DescribedAnswer {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
  readonly headers?: Readonly<Record<string, { readonly description: string; readonly required?: boolean }>>;
}

/** An OpenAPI document, as far as the tests look at it. */
export interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

/** Every operation with its `METHOD /path`. */
export function operationsOf(document: OpenApi): Map<string, Operation> {
  return new Map(
    Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
    ),
  );
}

/** Headers that tell a caller something, and that every answer which has them is described with. */
export const TELLING_HEADERS = [
  ...['Chat-Version', 'ETag', 'Cache-Status', 'Idempotency-Replayed', 'Retry-After', 'Location', 'X-Request-Id'],
  ...['X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset', 'WWW-Authenticate'],
];

/** How the headers of an answer differ from those that it is described with. */
export function headerFaults({ headers: described = {} }: DescribedAnswer, actual: Headers): string[] {
  const unknown = TELLING_HEADERS.filter((name) => actual.has(name) && described[name] === undefined);
  const missing = Object.keys(described).filter((name) => described[name]!.required === true && !actual.has(name));
  return [...unknown.map((name) => `${name} is not described`), ...missing.map((name) => `${name} is not there`)];
}

/** Every `$ref` in a value, with the place where it stands. */
export function refsOf(value: unknown, place = '#'): { readonly place: string; readonly ref: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [{ place, ref: inner }] : refsOf(inner, `${place}/${key}`),
  );
}

/** What a local reference names; `undefined` where there is nothing. */
export function resolveRef(document: OpenApi, ref: string): unknown {
  if (!ref.startsWith('#/')) return undefined;
  return ref
    .slice(2)
    .split('/')
    .reduce<unknown>(
      (value, key) => (value as Record<string, unknown> | undefined)?.[key.replaceAll('~1', '/').replaceAll('~0', '~')],
      document,
    );
}

/** Makes a validator of a schema of the document. @throws when a reference leads nowhere or back to itself. */
export function validatorOf(document: OpenApi, schema: JsonSchema): z.ZodType {
  return z.fromJSONSchema(inline(document, schema, []) as Parameters<typeof z.fromJSONSchema>[0]);
}

function inline(document: OpenApi, value: unknown, trail: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((element: unknown) => inline(document, element, trail));
  if ('$ref' in value && typeof value.$ref === 'string') {
    const target = resolveRef(document, value.$ref);
    if (target === undefined || trail.includes(value.$ref)) throw new Error(`${value.$ref} cannot be resolved`);
    return inline(document, target, [...trail, value.$ref]);
  }
  // JSON Schema's uuid is any in the form of RFC 9562, zod's only those whose version and variant it knows.
  const isAnyUuid = 'format' in value && value.format === 'uuid' && 'pattern' in value;
  const entries = Object.entries(value).filter(([key]) => !(isAnyUuid && key === 'format'));
  return Object.fromEntries(entries.map(([key, inner]) => [key, inline(document, inner, trail)]));
}

/** The routes that Fastify has, as `METHOD /path/{parameter}`, without the HEAD that comes with every GET. */
export function registeredRoutes(app: NestFastifyApplication): string[] {
  const prefixes: string[] = [];
  const routes: string[] = [];
  for (const line of app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false }).split('\n')) {
    const [, branch, part, methods] = /^([│ ]*[├└]── )(\S*)(?: \(([A-Z, ]+)\))?/.exec(line) ?? [];
    if (branch === undefined || part === undefined) continue;
    const depth = branch.length / 4 - 1;
    prefixes.length = depth;
    prefixes.push(part);
    const path = prefixes.join('').replace(/:(\w+)/g, '{$1}');
    for (const method of methods?.split(', ') ?? []) if (method !== 'HEAD') routes.push(`${method} ${path}`);
  }
  return routes;
}
