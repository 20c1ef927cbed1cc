// `npm run cluster [-- --instances N] [--bus none|postgres|redis] [--shared-cache] [--port N]`: several instances with
// PostgreSQL, Redis and nginx on this machine, without containers, until Ctrl-C. Data goes with it, unless DATABASE_URL is set.
import { parseArgs } from 'node:util';
import { Cluster } from '../dist/test/support/cluster.js';

const BUSES = ['none', 'postgres', 'redis'];
const USAGE = `npm run cluster -- [--instances N] [--bus ${BUSES.join('|')}] [--shared-cache] [--port N]`;

const options = readOptions();
let cluster;
let isEnding = false;
const end = async (code) => {
  if (isEnding) return;
  isEnding = true;
  process.stdout.write('\nEnding ...\n');
  try {
    await cluster?.close();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  process.exit(code);
};
// While it is still starting there is nothing to close in order: what has been started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => (cluster === undefined ? process.exit(1) : void end(0)));
}

process.stdout.write(`Starting ${options.instances} instances ...\n`);
try {
  cluster = await Cluster.start(options);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
process.stdout.write(tour(cluster));
// The instances and nginx are ends of their own: without this the process would end when they do.
setInterval(() => undefined, 60_000);

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        instances: { type: 'string', default: '3' },
        bus: { type: 'string', default: 'redis' },
        'shared-cache': { type: 'boolean', default: false },
        port: { type: 'string', default: '8080' },
      },
    });
    const instances = Number(values.instances);
    const nginxPort = Number(values.port);
    if (!Number.isInteger(instances) || instances < 1 || instances > 32) throw new Error('--instances is 1 to 32');
    if (!Number.isInteger(nginxPort) || nginxPort < 0 || nginxPort > 65_535) throw new Error('--port is 0 to 65535');
    if (!BUSES.includes(values.bus)) throw new Error(`--bus is one of ${BUSES.join(', ')}`);
    return {
      instances,
      bus: values.bus,
      sharedCache: values['shared-cache'] ? 'redis' : 'off',
      ...(nginxPort === 0 ? {} : { nginxPort }),
      ...(process.env.DATABASE_URL ? { databaseUrl: process.env.DATABASE_URL } : {}),
    };
  } catch (error) {
    process.stderr.write(`${error.message}\n${USAGE}\n`);
    process.exit(2);
  }
}

function tour({ nginx, instances, redis, databaseUrl }) {
  const rows = instances.map(({ url, pid }, index) => `  instance ${index + 1}  ${url}  (process ${pid})`);
  const [first, second] = instances;
  return `
  all of them  ${nginx.url}  (nginx; API: ${nginx.url}/docs)
${rows.join('\n')}
${redis === undefined ? '' : `  redis       ${redis.url}\n`}  database    ${databaseUrl}

Try, in another terminal:

  # A chat, a message, a page: through nginx, which sends all of a chat to one instance.
  CHAT=01980000-0000-7000-8000-000000000001
  curl -s ${nginx.url}/v1/chats -H 'Content-Type: application/json' -d '{"id": "'$CHAT'", "title": "Lunch"}'
  curl -s ${nginx.url}/v1/chats/$CHAT/messages -H 'Content-Type: application/json' -d '{"senderId": "ann", "text": "Pizza?"}'
  curl -si ${nginx.url}/v1/chats/$CHAT/messages

  # Written through one instance, read through another.
  curl -s ${first.url}/v1/chats/$CHAT/messages -H 'Content-Type: application/json' -d '{"senderId": "ann", "text": "Anybody?"}'
  curl -s ${(second ?? first).url}/v1/chats/$CHAT/messages

  # Kill an instance and go on reading through nginx.
  kill -9 ${first.pid}
  curl -si ${nginx.url}/v1/chats/$CHAT/messages

  # Edit the tables by hand: all of them show it after their next poll.
  psql '${databaseUrl}' -c "UPDATE chat SET title = 'Dinner'"

  # What an instance holds.
  curl -s ${(second ?? first).url}/v1/admin/cache

Ctrl-C ends all of it${process.env.DATABASE_URL ? '' : ', and deletes the data'}.
`;
}
