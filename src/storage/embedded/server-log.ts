import { constants, open, rename, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

import { unusable } from './data-folder.js';

const ROTATE_AT_BYTES = 10 * 1024 * 1024;
const EXCERPT_LINES = 20;
const EXCERPT_BYTES = 8 * 1024;

/** The file PostgreSQL logs to, and one predecessor of it (`.1`). */
export class ServerLog {
  constructor(readonly path: string) {}

  /**
   * Opens it for a new postmaster, having put it aside when it is over 10 MB. The caller closes the handle.
   *
   * @throws {@link EmbeddedDatabaseError} `embedded_database_folder_unusable`.
   */
  async open(owner?: { readonly uid: number; readonly gid: number }): Promise<FileHandle> {
    try {
      if ((await this.size()) > ROTATE_AT_BYTES) await rename(this.path, `${this.path}.1`);
      // In a folder of another user, root must not be led to a file elsewhere.
      const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
      const file = await open(this.path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
      if (owner) await file.chown(owner.uid, owner.gid);
      return file;
    } catch (error) {
      throw unusable(this.path, error);
    }
  }

  /** Bytes written so far; 0 when there is none. */
  async size(): Promise<number> {
    return stat(this.path).then(
      ({ size }) => size,
      () => 0,
    );
  }

  /** Reads the last lines written after a position that {@link size} returned. */
  async readSince(position: number): Promise<string> {
    const start = Math.max(position, (await this.size()) - EXCERPT_BYTES);
    const file = await open(this.path, 'r');
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(EXCERPT_BYTES), position: start });
      return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-EXCERPT_LINES).join('\n');
    } finally {
      await file.close();
    }
  }
}
