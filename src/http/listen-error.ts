import { errorText } from '../common/error-fields.js';

/** What to do about the reasons that a port is not to be had for. */
const CURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'somebody else listens there. Set {variable} to another one; 0 picks a free one.',
  EACCES: 'the system does not allow it. Set {variable} to one from 1024 on.',
  EADDRNOTAVAIL: 'the address is none of this machine. Set HOST to one that is.',
  ENOTFOUND: 'the name is not known. Set HOST to an address of this machine.',
};

/** A port that the instance is to listen on is not to be had. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  /** Node's code of the reason; empty where it has none. */
  readonly code: string;

  constructor(
    { variable, port, host }: { readonly variable: string; readonly port: number; readonly host: string },
    cause: unknown,
  ) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const cure = CURES[code]?.replace('{variable}', variable) ?? errorText(cause);
    super(`Cannot listen on ${host}:${port} (${variable}): ${cure}`, { cause });
    this.code = code;
  }
}
