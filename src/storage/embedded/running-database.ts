import { DATABASE_USER } from './cluster-initialization.js';
import { openDataFolder, readPassword, SOCKET_PORT } from './data-folder.js';
import type { EmbeddedConnection } from './database-connection.js';

/**
 * How to connect to the embedded database that another process runs in a data folder.
 *
 * @throws EmbeddedDatabaseError when the folder cannot be used, or has no password.
 */
export async function connectionToRunning(dataDir: string, database: string): Promise<EmbeddedConnection> {
  const folder = await openDataFolder(dataDir);
  const password = await readPassword(folder, true);
  return { host: folder.socketDir, port: SOCKET_PORT, user: DATABASE_USER, password, database };
}
