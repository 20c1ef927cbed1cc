import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { z } from 'zod';
import { PROBLEM_SCHEMA } from '../chat/api-operation.js';

type OpenApiDocument = ReturnType<typeof SwaggerModule.createDocument>;
type SchemaMap = NonNullable<NonNullable<OpenApiDocument['components']>['schemas']>;

/** Serves the OpenAPI document at `/openapi.json` and Swagger UI at `/docs`. */
export function serveOpenApi(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    customSiteTitle: 'Scrollback API',
  });
}

/** Makes the OpenAPI 3.1 document out of the controllers and their schemas. */
export function openApiDocument(app: NestFastifyApplication): OpenApiDocument {
  const config = new DocumentBuilder()
    .setTitle('Scrollback')
    .setDescription('A cache-first store for chats and messages. Errors are problems (RFC 9457); see docs/errors.md.')
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', description: 'A service key; not needed while AUTH_MODE is none.' })
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: (schema: unknown, { schemaType }: { schemaType?: 'input' | 'output' } = {}) =>
      schema instanceof z.ZodType ? convert(schema, schemaType ?? 'input') : undefined,
  });
  const { components } = convert(PROBLEM_SCHEMA, 'output');
  document.components = { ...document.components, schemas: { ...document.components?.schemas, ...components } };
  return document;
}

/** Turns a schema into JSON Schema; those that have an id become components that others refer to. */
function convert(schema: z.ZodType, io: 'input' | 'output'): { schema: SchemaMap[string]; components: SchemaMap } {
  const {
    $schema: _dialect,
    $defs = {},
    ...root
  } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
  });
  const components = { ...$defs };
  const { id } = schema.meta() ?? {};
  // A schema with an id is told in full where it is the root, and as a reference where it is inside another.
  const isReference = '$ref' in root;
  if (id !== undefined && !isReference) components[id] = root;
  const top = id === undefined || isReference ? root : { $ref: `#/$defs/${id}` };
  return { schema: asComponents(top) as SchemaMap[string], components: asComponents(components) as SchemaMap };
}

/** The same with references into the document's components, and without the ids that JSON Schema would take for addresses. */
function asComponents(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asComponents);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => key !== 'id' || typeof inner !== 'string')
      .map(([key, inner]) => [
        key,
        key === '$ref' ? String(inner).replace('#/$defs/', '#/components/schemas/') : asComponents(inner),
      ]),
  );
}
