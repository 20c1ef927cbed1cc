import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { z } from 'zod';
import { describeHeaders } from '../chat/answer-headers.js';
import { problemSchema } from '../chat/wire-schemas.js';

type OpenApiDocument = ReturnType<typeof SwaggerModule.createDocument>;
type SchemaMap = NonNullable<NonNullable<OpenApiDocument['components']>['schemas']>;

/** What the page at `/docs` is made of. The package of Swagger UI has more, examples of elsewhere among it, and all of it would be served. */
const PAGE_FILES: ReadonlySet<string> = new Set([
  '/docs/',
  '/docs/index.html',
  '/docs/swagger-ui.css',
  '/docs/swagger-ui-bundle.js',
  '/docs/swagger-ui-standalone-preset.js',
  '/docs/swagger-ui-init.js',
  '/docs/favicon-16x16.png',
  '/docs/favicon-32x32.png',
]);

/** Serves the OpenAPI document at `/openapi.json` and Swagger UI at `/docs`. */
export function serveOpenApi(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, reply, done) => {
      const { url } = request.routeOptions;
      // The route of files has the name behind it, decoded as whoever serves it reads it.
      const path = url === '/docs/*' ? `/docs/${(request.params as { readonly '*': string })['*']}` : url;
      if (path?.startsWith('/docs/') === true && !PAGE_FILES.has(path)) reply.callNotFound();
      else done();
    });
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
  const { components } = convert(problemSchema, 'output');
  document.components = { ...document.components, schemas: { ...document.components?.schemas, ...components } };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path as Record<string, OperationBody>)) {
      relaxBody(operation);
      for (const answer of Object.values(operation.responses))
        answer.headers = { ...answer.headers, ...describeHeaders(['X-Request-Id']) };
    }
  }
  return document;
}

interface OperationBody {
  readonly responses: Readonly<Record<string, { headers?: object }>>;
  requestBody?: { required?: boolean; content?: { 'application/json'?: { schema?: BodySchema } } };
}

interface BodySchema {
  readonly $ref?: string;
  readonly properties?: object;
}

/** Bodies that may be left out: Nest's document calls every body required. */
const OPTIONAL_BODIES = ['#/components/schemas/PutParticipant', '#/components/schemas/VerifyOptions'];

function relaxBody(operation: OperationBody): void {
  const schema = operation.requestBody?.content?.['application/json']?.schema;
  if (schema === undefined) return;
  // An empty object is what routes without a body take, so that they can refuse unknown fields.
  if (schema.properties !== undefined && Object.keys(schema.properties).length === 0) delete operation.requestBody;
  else if (OPTIONAL_BODIES.includes(schema.$ref ?? '')) operation.requestBody!.required = false;
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
