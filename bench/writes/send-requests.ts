import { SeededRandom } from '../../src/transfer/seeded-random.js';
import { CLIENT_ID_PLACE } from '../load/load-process.js';
import { SERVICE_KEY } from '../peers/sides.js';

/** Requests as they go on the wire that send texts to chats, each with a place for a client id. */
export function sendRequests(
  count: number,
  of: { readonly chatIds: readonly string[]; readonly senderIds: readonly string[]; readonly texts: readonly string[] },
): string[] {
  const random = new SeededRandom(1);
  return Array.from({ length: count }, () => {
    const chatId = random.pick(of.chatIds);
    const body = JSON.stringify({
      text: random.pick(of.texts),
      senderId: random.pick(of.senderIds),
      clientId: CLIENT_ID_PLACE,
    });
    return (
      `POST /v1/chats/${chatId}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${SERVICE_KEY}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    );
  });
}
