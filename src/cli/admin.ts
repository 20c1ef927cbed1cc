import type { CacheReport } from '../admin/cache-admin.controller.js';
import type { CacheMode } from '../cache/cache-options.js';
import type { Explanation } from '../cache/coherence/verify/explainer.js';
import type { Environment } from '../config/environment.js';
import { AdminClient } from './admin-client.js';
import { tableOf } from './table.js';

/** What every `scrollback admin` command takes. */
export interface AdminOptions {
  /** Where the instance answers; absent: where the environment says that it listens. */
  readonly url?: string;
  /** Whether to print the instance's answer as it is. */
  readonly json?: boolean;
}

const MEBIBYTE = 2 ** 20;

/** `scrollback admin stats`: what the cache holds, how often it answers, and how current it is. */
export async function statsCommand(options: AdminOptions, environment: Environment): Promise<void> {
  const report = await new AdminClient(options.url, environment).ask<CacheReport>('GET', '');
  print(options, report, () => {
    const { mode, policy, bytes, maxBytes, chats, blocks, hitRate, evictions, loads, coherence } = report;
    const used = `${(bytes / MEBIBYTE).toFixed(1)} of ${(maxBytes / MEBIBYTE).toFixed(0)} MiB (${share(bytes / maxBytes)})`;
    const confirmed = coherence.lastConfirmedMs === null ? 'never' : `${coherence.lastConfirmedMs} ms ago`;
    return tableOf([
      ['mode', mode],
      ['policy', policy],
      ['memory', used],
      ['held', `${chats} chats, ${blocks} blocks`],
      ['evictions', String(evictions)],
      ['loads', String(loads)],
      ...Object.entries(hitRate).map(([family, rate]) => [
        `hit rate of ${family}`,
        rate === null ? 'not asked yet' : share(rate),
      ]),
      ['bus', coherence.bus],
      ['last confirmed', `${confirmed}${coherence.inDoubt ? ', IN DOUBT' : ''}`],
      ['divergence', `${coherence.divergence}${coherence.divergence > 0 ? ', MUST BE 0: run scrollback verify' : ''}`],
    ]);
  });
}

/** `scrollback admin explain CHAT`: what is held of a chat, and how it came about. */
export async function explainCommand(chatId: string, options: AdminOptions, environment: Environment): Promise<void> {
  const path = `/chats/${encodeURIComponent(chatId)}`;
  const found = await new AdminClient(options.url, environment).ask<Explanation>('GET', path);
  print(options, found, () => {
    if (!found.cached) return 'The chat is not held.\n';
    const { present, cachedVersion, heardVersion, databaseVersion, bytes, participants, source, hits } = found;
    const database = databaseVersion === null ? 'not known: it does not answer' : String(databaseVersion);
    const head = tableOf([
      ['chat', present ? 'is there' : 'is known not to be there'],
      ['cached version', String(cachedVersion)],
      ['heard version', String(heardVersion)],
      ['database version', database],
      ['participants', String(participants)],
      ['bytes', String(bytes)],
      ['came by', source],
      ['reads since', String(hits)],
    ]);
    const blocks = tableOf([
      ['from', 'to', 'bytes', ''],
      ...found.blocks.map((block) => [block.fromSeq, block.toSeq, block.bytes, block.packed ? 'packed' : '']),
    ]);
    const changes = tableOf([
      ['version', 'kind', 'from', 'ms ago'],
      ...found.changes.map(({ version, kind, from, ageMs }) => [version, kind, from, ageMs]),
    ]);
    return `${head}\nBlocks of messages\n${blocks}\nLast changes\n${changes}`;
  });
}

/** `scrollback admin evict CHAT`: forgets a chat, so that its next reader loads it. */
export async function evictCommand(chatId: string, options: AdminOptions, environment: Environment): Promise<void> {
  const client = new AdminClient(options.url, environment);
  const path = `/chats/${encodeURIComponent(chatId)}`;
  const { cached: evicted } = await client.ask<Explanation>('GET', path);
  // In any case: it may have come meanwhile.
  await client.ask<undefined>('DELETE', path);
  const said = evicted ? 'is not held any more' : 'was not held';
  print(options, { evicted }, () => `The chat ${said}; its next reader loads it.\n`);
}

/** `scrollback admin mode [MODE]`: tells how the cache is used, or changes it. */
export async function modeCommand(
  mode: CacheMode | undefined,
  options: AdminOptions,
  environment: Environment,
): Promise<void> {
  const client = new AdminClient(options.url, environment);
  const answer =
    mode === undefined
      ? await client.ask<{ mode: CacheMode }>('GET', '')
      : await client.ask<{ mode: CacheMode }>('PUT', '/mode', { mode });
  print(options, { mode: answer.mode }, () => `The cache is ${answer.mode}.\n`);
}

function print({ json = false }: AdminOptions, answer: unknown, text: () => string): void {
  process.stdout.write(json ? `${JSON.stringify(answer)}\n` : text());
}

function share(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
