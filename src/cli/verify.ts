import type { VerifyReport } from '../cache/coherence/verify/verifier.js';
import type { Environment } from '../config/environment.js';
import { AdminClient } from './admin-client.js';
import { tableOf } from './table.js';

/** What the command line says. */
export interface VerifyCommandOptions {
  /** Where the instance answers; absent: where the environment says that it listens. */
  readonly url?: string;
  readonly repair?: boolean;
  /** Whether to print the instance's answer as it is. */
  readonly json?: boolean;
}

/** `scrollback verify`: asks a running instance to compare its cache with the database. Exit code 1 if they differ. */
export async function verifyCommand(
  { url, repair = false, json = false }: VerifyCommandOptions,
  environment: Environment,
): Promise<void> {
  const startedMs = performance.now();
  const report = await new AdminClient(url, environment).ask<VerifyReport>('POST', '/verify', { repair });
  if (report.divergent.length > 0) process.exitCode = 1;
  if (json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  process.stdout.write(
    tableOf(
      report.divergent.map(({ chatId, kind, cachedVersion, databaseVersion }) => [
        chatId,
        kind,
        `cached ${cachedVersion ?? '-'}`,
        `database ${databaseVersion}`,
      ]),
    ),
  );
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const found = `${report.divergent.length} of ${report.checked} chats held differ from the database`;
  process.stdout.write(`${found}${repair ? `, ${report.repaired} repaired` : ''} (${seconds} s).\n`);
}
