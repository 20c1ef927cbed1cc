import type { Environment } from '../config/environment.js';
import { Purger, type PurgeReport } from '../transfer/purger.js';
import { withDatabase } from './command-database.js';
import { Progress } from './progress.js';

/** What the command line says. */
export interface PurgeCommandOptions {
  /** Milliseconds. */
  readonly olderThan: number;
  /** Chat ids; absent: all chats. */
  readonly chat?: readonly string[];
  readonly dryRun?: boolean;
}

/** `scrollback purge`: exit code 1 if a chat was held by somebody else all the time. */
export async function purgeCommand(
  { olderThan, chat, dryRun = false }: PurgeCommandOptions,
  environment: Environment,
): Promise<void> {
  const startedMs = performance.now();
  const progress = dryRun ? undefined : new Progress('messages purged');
  try {
    const report = await withDatabase(environment, (database) => {
      const purger = new Purger(database, {
        onProgress: (share, messages) => progress?.update(share, messages),
        onFound: ({ chatId, messages }) => {
          if (dryRun) process.stdout.write(`${chatId} ${messages}\n`);
        },
      });
      const scope = { olderThanMs: olderThan, chatIds: chat };
      return dryRun ? purger.count(scope) : purger.run(scope);
    });
    progress?.stop();
    if (dryRun) process.stdout.write(`Would purge ${totals(report)}. Nothing was deleted.\n`);
    else
      process.stdout.write(`Purged ${totals(report)} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s.\n`);
    if (report.held.length === 0) return;
    const held = report.held.map(({ chatId }) => chatId).join(' ');
    process.stderr.write(`Somebody held these chats locked; run it again for their old messages: ${held}\n`);
    process.exitCode = 1;
  } finally {
    progress?.stop();
  }
}

function totals({ messages, chats }: PurgeReport): string {
  return `${messages.toLocaleString('en')} ${messages === 1 ? 'message' : 'messages'} of ${chats.toLocaleString('en')} ${chats === 1 ? 'chat' : 'chats'}`;
}
