import type { Environment } from '../config/environment.js';
import { exportTo } from '../transfer/exporter.js';
import { makeFolder } from '../transfer/make-folder.js';
import { withDatabase } from './command-database.js';

/** `scrollback export`: a folder that cannot be written to is told before a database is looked for. */
export async function exportCommand(
  folder: string,
  { gzip }: { readonly gzip?: boolean },
  environment: Environment,
): Promise<void> {
  await makeFolder(folder);
  const report = await withDatabase(environment, (database) =>
    exportTo(folder, database, { isCompressed: gzip === true }),
  );
  process.stdout.write(
    `Exported ${report.messages.toLocaleString('en')} messages, ${report.chats.toLocaleString('en')} chats and ` +
      `${report.users.toLocaleString('en')} users to ${folder}.\n`,
  );
}
