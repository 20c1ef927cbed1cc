import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ScrollbackError } from '../common/scrollback-error.js';

/** Name of the {@link WaitingAnswers} among what the framework is decorated with. */
export const WAITING_ANSWERS = Symbol('WaitingAnswers');

/** Smaller answers are not counted, so that ordinary pages pay a comparison. */
const MIN_BYTES = 64 * 1024;

/**
 * Bytes of answers that may be waiting for their readers. Fewer and a handful of slow readers has others refused; more, and what those leave
 * unread is more memory than an instance has beside its cache.
 */
const MAX_BYTES = 256 * 2 ** 20;

/** The error of who asks while there is more to do than can be done. */
export function overload(): ScrollbackError {
  return new ScrollbackError('overloaded', 'There is more to do than this instance can. Nothing was done.');
}

/**
 * Counts the bytes of large answers from when they are handed to their connection until that has taken them, or has ended: who asks for much and
 * reads slowly, or not at all, holds them up until the silence on the connection ends it.
 */
export class WaitingAnswers {
  #bytes = 0;
  readonly #connections = new WeakMap<Socket, { bytes: number }>();

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether more wait than may. */
  get areTooMany(): boolean {
    return this.#bytes > MAX_BYTES;
  }

  /**
   * To be asked before an answer of so many bytes is put together: of those who were let in at the same time, none has been counted yet.
   *
   * @throws ScrollbackError `overloaded` when too many wait already.
   */
  requireRoom(bytes: number): void {
    if (bytes >= MIN_BYTES && this.areTooMany) throw overload();
  }

  /** Counts an answer of so many bytes that is being handed to its connection. */
  add(response: ServerResponse, { socket }: { readonly socket: Socket }, bytes: number): void {
    if (bytes < MIN_BYTES || socket.destroyed || response.closed) return;
    const connection = this.#connections.get(socket) ?? this.#open(socket);
    connection.bytes += bytes;
    this.#bytes += bytes;
    response.once('close', () => {
      // The connection may have ended all of them: of answers behind another one nobody hears then.
      if (connection.bytes === 0) return;
      connection.bytes -= bytes;
      this.#bytes -= bytes;
    });
  }

  #open(socket: Socket): { bytes: number } {
    const connection = { bytes: 0 };
    this.#connections.set(socket, connection);
    socket.once('close', () => {
      this.#bytes -= connection.bytes;
      connection.bytes = 0;
    });
    return connection;
  }
}
