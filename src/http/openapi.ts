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
    .addBearerAuth()
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
  const components = Object.fromEntries(
    Object.entries($defs).map(([name, definition]) => [name, withoutId(definition)]),
  );
  const { id } = schema.meta() ?? {};
  if (id === undefined) return { schema: withoutId(root) as SchemaMap[string], components: components as SchemaMap };
  return {
    schema: { $ref: `#/components/schemas/${id}` },
    components: { ...components, [id]: withoutId(root) } as SchemaMap,
  };
}

function withoutId(schema: object): object {
  const { id: _id, ...rest } = schema as { id?: unknown };
  return rest;
}
