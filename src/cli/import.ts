import { basename } from 'node:path';
import type { Environment } from '../config/environment.js';
import type { Database } from '../storage/database.js';
import { Importer, ImportStoppedError, type ImportOptions, type ImportReport } from '../transfer/importer.js';
import { withDatabase } from './command-database.js';
import { Progress } from './progress.js';

/** Bad lines that are named one by one; the others are counted. */
const REFUSED_SHOWN = 100;

/** `scrollback import`: exit code 1 if any line was refused. */
export async function importCommand(
  folder: string,
  { strict }: { readonly strict?: boolean },
  environment: Environment,
): Promise<void> {
  try {
    const options = { isStrict: strict, maxTextBytes: environment.MAX_TEXT_BYTES };
    const report = await withDatabase(environment, (database) => importFolder(folder, database, options));
    if (report.refused > 0) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof ImportStoppedError)) throw error;
    process.stderr.write(`${error.message}\nStopped: what came before is imported.\n`);
    process.exitCode = 1;
  }
}

/** Imports a folder and says on the terminal how it goes. */
export async function importFolder(
  folder: string,
  database: Database,
  options: ImportOptions = {},
): Promise<ImportReport> {
  const startedMs = performance.now();
  let progress: { readonly file: string; readonly shown: Progress } | undefined;
  let refused = 0;
  const importer = new Importer(
    database,
    {
      onProgress: (file, share, rows) => {
        if (progress?.file !== file) {
          progress?.shown.stop();
          progress = { file, shown: new Progress(basename(file).split('.')[0]!) };
        }
        progress.shown.update(share, rows);
      },
      onRefused: (file, lineNumber, reason) => {
        if (++refused <= REFUSED_SHOWN) process.stderr.write(`${file}:${lineNumber}: ${reason}\n`);
        if (refused === REFUSED_SHOWN) process.stderr.write('More refused lines are counted, not named.\n');
      },
    },
    options,
  );
  try {
    const report = await importer.run(folder);
    const seconds = (performance.now() - startedMs) / 1000;
    progress?.shown.stop();
    process.stdout.write(
      `Imported ${report.messages.toLocaleString('en')} messages in ${report.chats.toLocaleString('en')} new chats ` +
        `in ${seconds.toFixed(1)} s${report.messages > 0 ? ` (${Math.round(report.messages / seconds).toLocaleString('en')} messages/s)` : ''}; ` +
        `${report.present.toLocaleString('en')} were there already, ${report.refused.toLocaleString('en')} lines refused.\n`,
    );
    return report;
  } finally {
    progress?.shown.stop();
  }
}
