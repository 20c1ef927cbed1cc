import { setPriority } from 'node:os';
import { connect } from 'node:net';
import { serveOrders } from '../load/order-process.js';
import type { User } from './user-process.js';

/** What abusers are to do. */
export interface AbuseOrder {
  readonly port: number;
  /** One connection for each. */
  readonly abusers: readonly Pick<User, 'token' | 'chatIds'>[];
  readonly durationMs: number;
}

/** What they were answered. */
export interface AbuseReport {
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections that broke. */
  readonly broken: number;
}

/** Begins an answer. Texts of messages may have the same words, but no line end: JSON escapes it. */
const STATUS_LINE = /HTTP\/1\.1 (\d{3}) [A-Za-z ]+\r\n/g;

/** Longest of them. */
const STATUS_LINE_LENGTH = 64;

// The client's machine must not be what slows the users down: abusers have what the others leave.
if (process.send !== undefined) {
  setPriority(19);
  serveOrders(flood);
}

async function flood({ port, abusers, durationMs }: AbuseOrder): Promise<AbuseReport> {
  const statuses: Record<string, number> = {};
  let broken = 0;
  const endMs = performance.now() + durationMs;
  const abuse = ({ token, chatIds }: Pick<User, 'token' | 'chatIds'>): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      const head = `/v1/chats/${chatIds[0]}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`;
      const body = '{"text":"flood"}';
      const send = `POST ${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      // Four on their way at once, on one connection: as each is answered the next one goes out.
      const requests = [send, ...Array<string>(3).fill(`GET ${head}\r\n`)];
      let sent = 0;
      const more = (count: number): void => {
        for (let at = 0; at < count; at++) socket.write(requests[sent++ % requests.length]!);
      };
      let rest = '';
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (performance.now() < endMs) broken++;
        resolve();
      });
      socket.on('data', (chunk: Buffer) => {
        const text = rest + chunk.toString('latin1');
        let answered = 0;
        let last = 0;
        for (const match of text.matchAll(STATUS_LINE)) {
          statuses[match[1]!] = (statuses[match[1]!] ?? 0) + 1;
          answered++;
          last = match.index + match[0].length;
        }
        // What begins an answer may have come in part.
        rest = text.slice(Math.max(last, text.length - STATUS_LINE_LENGTH));
        if (performance.now() >= endMs) socket.destroy();
        else more(answered);
      });
      more(requests.length);
    });
  await Promise.all(abusers.map(abuse));
  return { statuses, broken };
}
