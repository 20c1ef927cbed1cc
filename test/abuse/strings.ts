import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { ApiClient } from '../support/api-client.js';
import type { WireChat, WireMessage } from '../../src/cache/wire-types.js';
import { anyString } from './schema-arbitrary.js';

const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');
const isIdentifier = (text: string): boolean =>
  isStorable(text) && text !== '' && [...text].length <= 128 && !/\p{Cc}/u.test(text);

const text = anyString.filter((each) => isStorable(each) && each !== '' && Buffer.byteLength(each) <= 16_384);
const key = anyString.filter(
  (each) =>
    isStorable(each) && Buffer.byteLength(each) <= 2000 && !['__proto__', 'constructor', 'prototype'].includes(each),
);
const title = text.filter((each) => [...each].length <= 500);
const identifier = anyString.filter(isIdentifier);
/** As a header may carry it: HTTP takes off blanks at the ends. */
const headerIdentifier = identifier.filter((each) => each.trim() === each);
const emoji = identifier.filter((each) => [...each].length <= 64);

/** Strings for every place that takes one. */
export const anyStrings = fc.record({
  title,
  userId: headerIdentifier,
  otherUserId: identifier,
  clientId: identifier,
  text,
  edited: text,
  emoji,
  metadata: fc.dictionary(
    key,
    text.filter((each) => each.length < 1000),
    { maxKeys: 4 },
  ),
});

/** One draw of {@link anyStrings}. */
export type Strings = typeof anyStrings extends fc.Arbitrary<infer T> ? T : never;

/** Writes strings to every place that takes one, and reads them. @returns what came back, to be compared with what went in. */
export async function throughTheApi(api: ApiClient, strings: Strings): Promise<Strings> {
  const { title: named, userId, otherUserId, clientId, emoji: sign, metadata } = strings;
  const id = randomUUID();
  await api.createChat({ id, title: named, metadata, participants: [{ userId }] });
  await api.put(`/v1/chats/${id}/participants/${encodeURIComponent(otherUserId)}`);
  const { seq } = await api.send(id, { senderId: userId, text: 'first', clientId, metadata });
  await api.patch(`/v1/chats/${id}/messages/${seq}`, { text: strings.edited });
  await api.send(id, { senderId: otherUserId, text: strings.text });
  const asUser = { 'x-user-id': Buffer.from(userId).toString('latin1') };
  await api.request('PUT', `/v1/chats/${id}/messages/${seq}/reactions/${encodeURIComponent(sign)}`, undefined, asUser);
  const chat = (await api.get<WireChat>(`/v1/chats/${id}`)).body;
  const { items } = await api.page(id);
  const [first, second] = items as WireMessage[];
  const inbox = await api.get<{ items: { chat: WireChat }[] }>(`/v1/users/${encodeURIComponent(otherUserId)}/chats`);
  const isInInbox = inbox.body.items.some((item) => item.chat.id === id);
  return {
    title: chat.title ?? '',
    userId: first?.senderId ?? '',
    otherUserId: isInInbox ? (second?.senderId ?? '') : 'not in the inbox',
    clientId: first?.clientId ?? '',
    text: second?.text ?? '',
    edited: first?.text ?? '',
    emoji: first?.reactions?.[0]?.emoji ?? '',
    metadata: { ...(chat.metadata as Strings['metadata']), ...(first?.metadata as Strings['metadata'] | undefined) },
  };
}
