import { Cluster } from '../test/support/cluster.js';
import { BenchDatabase } from './bench-database.js';
import { moveProcess } from './cores.js';
import { LoadGenerator } from './load/load-generator.js';
import type { LoadReport } from './load/load-process.js';
import { writeSection } from './report.js';
import { sampleTexts } from './text-sample.js';
import { alternate, ratiosToFirst, tablesOf, type Slice } from './writes/alternate.js';
import { sendRequests } from './writes/send-requests.js';

const CHATS = 1000;
const MESSAGES_PER_CHAT = 100;
const ROUNDS = 9;
/** Processes that were idle during the other side's slice take so long to be as fast as before. */
const WARM_UP_MS = 3000;
const MEASURED_MS = 6000;
const CONNECTIONS = [64, 512] as const;
const REQUESTS = 10_000;

type WriteSlice = LoadReport & Slice;

/** Sends over HTTP to one instance, alone and with two others that hold the same chats and hear of each over Redis. */
export async function benchClusterWrites(source: string | undefined): Promise<void> {
  const cut = { chats: CHATS, messagesPerChat: MESSAGES_PER_CHAT };
  const load = new LoadGenerator();
  // Each has a database of its own, so that the one does not look at what the other writes.
  const databases: BenchDatabase[] = [];
  const clusters: Cluster[] = [];
  try {
    const start = async (instances: number, bus: 'none' | 'redis'): Promise<Cluster> => {
      const database = await BenchDatabase.start(source, cut, 'others');
      databases.push(database);
      const cluster = await Cluster.start({ instances, bus, databaseUrl: database.url, nginxPort: 'none' });
      clusters.push(cluster);
      const [writer, ...peers] = cluster.instances;
      moveProcess('measured', writer!.pid);
      moveProcess('others', cluster.redis?.pid);
      for (const { pid } of peers) moveProcess('others', pid);
      return cluster;
    };
    const alone = await start(1, 'none');
    const three = await start(3, 'redis');
    const texts = await sampleTexts(source, 1000);
    const senderIds = Array.from({ length: 200 }, (_, index) => `user-${index + 1}`);
    const chatIds = databases[0]!.chatIds;
    const requests = sendRequests(REQUESTS, { chatIds, senderIds, texts });
    const side = (title: string, cluster: Cluster, connections: number) => ({
      title,
      run: async (seed: number): Promise<WriteSlice> => {
        const { port, pid } = cluster.instances[0]!;
        const report = await load.run({
          port,
          serverPid: pid!,
          requests,
          connections,
          warmUpMs: WARM_UP_MS,
          measuredMs: MEASURED_MS,
          seed,
          status: 201,
        });
        return { ...report, perSecond: report.requestsPerSecond };
      },
    });
    const all = {
      query: async (sql: string): Promise<never[]> => {
        for (const database of databases) await database.query(sql);
        return [];
      },
    };
    for (const connections of CONNECTIONS) {
      const sides = { three: side('with two peers', three, connections), alone: side('alone', alone, connections) };
      const slices = await alternate(all, sides, ROUNDS);
      writeSection(
        connections === CONNECTIONS[0] ? 'Writes with peers' : `Writes with peers, ${connections} connections`,
        `\`POST /v1/chats/{chatId}/messages\` over ${connections} keep-alive connections to one instance, which has a core of its own: alone without a ` +
          `bus, and with two others that hold the same ${CHATS.toLocaleString('en')} chats and are told of every message over Redis. ` +
          'Nobody reads at those, as where requests are routed by chat. The peers, Redis, PostgreSQL and the client share the other cores, so that with few cores the peers’ work slows PostgreSQL down; the CPU time of the ' +
          'writer for a message shows what publishing costs.',
        [
          ...ratiosToFirst('messages per second with two peers and the bus over Redis /', sides, slices),
          {
            table: 'CPU time of the writer for a message, alone / with two peers',
            name: 'alone',
            rounds: slices.three.map(({ serverCpuUs }, round) => slices.alone[round]!.serverCpuUs! / serverCpuUs!),
            unit: '',
          },
          ...tablesOf(sides, slices),
        ],
      );
    }
  } finally {
    load.stop();
    for (const cluster of clusters) await cluster.close();
    for (const database of databases) await database.stop();
  }
}
