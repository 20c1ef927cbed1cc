import type { IncomingMessage } from 'node:http';

/** Larger bodies are left to the framework, in bytes. Most come in one packet with their headers. */
const MAX_BYTES = 64 * 1024;

/** Length of the body of a request as its headers tell it, if that is a small one; `undefined` for any other, and for none. */
export function smallBodyLength({ headers }: IncomingMessage): number | undefined {
  if (headers['transfer-encoding'] !== undefined) return undefined;
  const length = Number(headers['content-length']);
  return length > 0 && length <= MAX_BYTES ? length : undefined;
}

/**
 * Reads a body when all of it has come. Nothing happens when it never does: what ends such requests ends this one as well.
 *
 * @param length - of {@link smallBodyLength}.
 * @param use - may put the body back, with `unshift` and before it returns, for somebody else to read.
 */
export function readSmallBody(request: IncomingMessage, length: number, use: (body: Buffer) => void): void {
  const read = (): void => {
    const body = request.read(length) as Buffer | null;
    if (body === null) return;
    request.removeListener('readable', read);
    use(body);
  };
  request.on('readable', read);
}
