import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import type { CacheReport } from '../admin/cache-admin.controller.js';
import type { WirePage } from '../cache/wire-types.js';
import { Warmer } from '../cache/lifecycle/warmer.js';
import type { Environment } from '../config/environment.js';
import { serve, type Instance } from '../main.js';
import { FIND_LARGEST_CHAT } from '../storage/statements/find-largest-chat.js';
import { generateConversations } from '../transfer/generator.js';
import { withDatabase } from './command-database.js';
import { importFolder } from './import.js';

/** The bundled conversations: `samples/` beside `dist/` or `src/`. */
const SAMPLES = join(dirname(fileURLToPath(import.meta.url)), '../../../samples');

const GENERATOR_SEED = 1;

/** Reads of one page in the tour, to have a hit rate to show. */
const TOUR_READS = 200;

/** `scrollback demo`: an instance on a database of its own with conversations in it, and a short tour. */
export async function demoCommand(
  options: { readonly data?: string; readonly messages?: number },
  environment: Environment,
): Promise<void> {
  const demo: Environment = {
    ...environment,
    DATABASE_URL: undefined,
    SCROLLBACK_DATA_DIR: `${environment.SCROLLBACK_DATA_DIR}-demo`,
    LOG_LEVEL: 'warn',
  };
  await withDatabase(demo, async (database) => {
    const limits = { maxTextBytes: demo.MAX_TEXT_BYTES };
    await importFolder(options.data ?? SAMPLES, database, limits);
    if (options.messages === undefined) return;
    const folder = await mkdtemp(join(tmpdir(), 'scrollback-generated-'));
    try {
      await generateConversations(folder, { messages: options.messages, seed: GENERATOR_SEED });
      await importFolder(folder, database, limits);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
  const instance = await serve(demo);
  if (instance !== undefined) await showTour(instance);
}

async function showTour(instance: Instance): Promise<void> {
  const { app, url } = instance;
  const warmer = app.get(Warmer);
  while (!warmer.isReady) await delay(20);
  const rows = await app.get(DataSource).query<{ chat_id: string; user_id: string }[]>(FIND_LARGEST_CHAT.text);
  const first = rows[0];
  if (first === undefined) return;
  const page = `/v1/chats/${first.chat_id}/messages?limit=3`;
  const answer = await fetch(url + page);
  const { items } = (await answer.json()) as WirePage;
  for (let read = 1; read < TOUR_READS; read++) await (await fetch(url + page)).arrayBuffer();
  const report = (await (await fetch(`${url}/v1/admin/cache`)).json()) as CacheReport;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say('');
  say(`Scrollback is running at ${url} with ${report.chats.toLocaleString('en')} chats in memory. A short tour:`);
  say('');
  say('The last messages of the largest chat, answered from memory:');
  say(`  curl -i '${url}${page}'`);
  say(`  Cache-Status: ${answer.headers.get('cache-status')}   Chat-Version: ${answer.headers.get('chat-version')}`);
  for (const { seq, senderId, text } of items) say(`  ${seq}. ${senderId}: ${shorten(text ?? '(deleted)')}`);
  say('');
  say('The inbox of somebody who writes there, with unread counts:');
  say(`  curl '${url}/v1/users/${encodeURIComponent(first.user_id)}/chats?limit=5'`);
  say('');
  say('Say something:');
  say(
    `  curl -X POST '${url}/v1/chats/${first.chat_id}/messages' -H 'Content-Type: application/json' ` +
      `-d '{"senderId": "${first.user_id}", "text": "Hello from the demo", "clientId": "demo-1"}'`,
  );
  say('');
  const hits = Math.round((report.hitRate.messages ?? 0) * 100);
  const megabytes = (report.bytes / 2 ** 20).toFixed(1);
  say(`After ${TOUR_READS} reads the cache holds ${megabytes} MiB and its hit rate for messages is ${hits} %:`);
  say(`  curl '${url}/v1/admin/cache'     curl '${url}/metrics'`);
  say('');
  say(`All routes: ${url}/docs     Stop with Ctrl-C.`);
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= 70 ? line : `${line.slice(0, 70)}…`;
}
