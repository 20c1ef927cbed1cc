import type { VerifyReport } from '../cache/coherence/verify/verifier.js';
import type { Environment } from '../config/environment.js';

/** What the command line says. */
export interface VerifyCommandOptions {
  /** Where the instance answers; absent: where the environment says that it listens. */
  readonly url?: string;
  readonly repair?: boolean;
}

/** `scrollback verify`: asks a running instance to compare its cache with the database. Exit code 1 if they differ. */
export async function verifyCommand(
  { url, repair = false }: VerifyCommandOptions,
  environment: Environment,
): Promise<void> {
  const base =
    url ?? `http://${environment.HOST.includes(':') ? `[${environment.HOST}]` : environment.HOST}:${environment.PORT}`;
  const startedMs = performance.now();
  const report = await askToVerify(base, repair, environment.SCROLLBACK_KEY);
  for (const { chatId, kind, cachedVersion, databaseVersion } of report.divergent) {
    process.stdout.write(`${chatId}  ${kind}  cached ${cachedVersion ?? '-'}  database ${databaseVersion}\n`);
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const found = `${report.divergent.length} of ${report.checked} chats held differ from the database`;
  process.stdout.write(`${found}${repair ? `, ${report.repaired} repaired` : ''} (${seconds} s).\n`);
  if (report.divergent.length > 0) process.exitCode = 1;
}

async function askToVerify(base: string, repair: boolean, key: string | undefined): Promise<VerifyReport> {
  let response: Response;
  try {
    response = await fetch(new URL('/v1/admin/cache/verify', base), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ repair }),
    });
  } catch (cause) {
    throw new Error(`No instance answers at ${base}. Name another with --url.`, { cause });
  }
  if (response.status === 401) throw new Error('The instance wants a service key: set SCROLLBACK_KEY.');
  if (!response.ok) throw new Error(`The instance answers ${response.status}: ${await response.text()}`);
  return (await response.json()) as VerifyReport;
}
