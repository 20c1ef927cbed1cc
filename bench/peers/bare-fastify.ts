import { readFileSync } from 'node:fs';
import Fastify from 'fastify';

/** One chat's page, as the instance beside has answered it. */
export interface RecordedPage {
  readonly chatId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

// The floor: what HTTP on Fastify costs when nothing is done but sending ready bytes. No access check, no metrics, no
// query. PAGES is a file of RecordedPage, one a line.
const pages = new Map(
  readFileSync(process.env['PAGES']!, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedPage)
    .map(({ chatId, headers, body }) => [chatId, { headers, body: Buffer.from(body) }]),
);

const fastify = Fastify();

fastify.get<{ Params: { chatId: string } }>('/v1/chats/:chatId/messages', (request, reply) => {
  const page = pages.get(request.params.chatId);
  if (page === undefined) void reply.code(404).send();
  else void reply.headers(page.headers).send(page.body);
});

process.stdout.write(`Listening on ${await fastify.listen({ host: '127.0.0.1', port: 0 })}\n`);
