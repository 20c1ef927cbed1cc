import type { MessageRecord } from '../../src/storage/records.js';

const EPOCH_MS = Date.UTC(2000, 0, 1);

/** The beginning of the binary format: signature, flags, no extension. */
export const COPY_HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);

/** The end of the binary format. */
export const COPY_TRAILER = int16(-1);

/**
 * A message as `COPY_TAILS` sends it.
 *
 * @param chat - which of the chats that were asked for.
 * @param metadata - as the database writes it; absent: as the record has it.
 */
export function copyRow(chat: number, message: MessageRecord, metadata = message.metadataJson): Buffer {
  const columns = [
    int32(chat),
    int64(message.seq),
    timestamp(message.createdAtMs),
    Buffer.from(message.senderId),
    text(message.text),
    text(message.clientId),
    Buffer.from([message.kind === 'system' ? 1 : 0]),
    text(metadata),
    message.replyTo === null ? null : int64(message.replyTo),
    message.editedAtMs === null ? null : timestamp(message.editedAtMs),
    message.deletedAtMs === null ? null : timestamp(message.deletedAtMs),
  ];
  return Buffer.concat([int16(columns.length), ...columns.flatMap((value) => (value ? sized(value) : int32(-1)))]);
}

/** A message of the server: its type, its length, its body. */
export function serverMessage(type: string, body: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function sized(value: Buffer): Buffer[] {
  return [int32(value.length), value];
}

function text(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

function timestamp(timeMs: number): Buffer {
  return int64(BigInt(timeMs - EPOCH_MS) * 1000n);
}
