import { expect } from '@jest/globals';
import fc from 'fast-check';
import type { WireChat } from '../../src/cache/wire-types.js';
import type { ApiClient } from '../support/api-client.js';

/** Users who do things in a random history. */
export const HISTORY_USERS = ['ann', 'ben', 'cat', 'dan', '\u{1f980}'] as const;

const user = fc.constantFrom(...HISTORY_USERS);
/** A place in the line, from the end: what has just been written is changed most. */
const back = fc.integer({ min: 0, max: 8 });
const text = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });

/** One thing that somebody does in a chat. */
export const historyStep = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('send' as const), user, text, isSystem: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reply' as const), user, text, back }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('edit' as const), text, back }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), back }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('react' as const), user, back, isOn: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('read' as const), user, back }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('join' as const), user, role: fc.constantFrom('member', 'admin') }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('leave' as const), user }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('title' as const), text }) },
);

/** One thing that somebody does in a chat. */
export type HistoryStep = typeof historyStep extends fc.Arbitrary<infer Step> ? Step : never;

/** Does it. What the chat's state does not allow is refused by a 4xx and changes nothing. */
export async function runStep(api: ApiClient, chatId: string, step: HistoryStep): Promise<void> {
  const path = `/v1/chats/${chatId}`;
  const { lastSeq } = (await api.get<WireChat>(path)).body;
  const seq = 'back' in step ? Math.max(1, lastSeq - step.back) : 0;
  const acting = 'user' in step ? api.as(Buffer.from(step.user).toString('latin1')) : api;
  const person = 'user' in step ? `${path}/participants/${encodeURIComponent(step.user)}` : '';
  const answer = await {
    send: () => acting.post(`${path}/messages`, { text: textOf(step), ...(isSystem(step) ? { kind: 'system' } : {}) }),
    reply: () => acting.post(`${path}/messages`, { text: textOf(step), replyTo: seq }),
    edit: () => api.patch(`${path}/messages/${seq}`, { text: textOf(step) }),
    delete: () => api.delete(`${path}/messages/${seq}`),
    react: () => acting.request(isOn(step) ? 'PUT' : 'DELETE', `${path}/messages/${seq}/reactions/ok`),
    read: () => acting.put(`${path}/read`, { seq: Math.min(seq, lastSeq) }),
    join: () => api.put(person, { role: 'role' in step ? step.role : 'member' }),
    leave: () => api.delete(person),
    title: () => api.patch(path, { title: textOf(step) }),
  }[step.type]();
  const isAllowed = answer.status < 300 || [404, 409, 422].includes(answer.status);
  expect({ step, status: answer.status, body: answer.body, isAllowed }).toMatchObject({ isAllowed: true });
}

function textOf(step: HistoryStep): string {
  return 'text' in step ? step.text : '';
}

function isSystem(step: HistoryStep): boolean {
  return 'isSystem' in step && step.isSystem;
}

function isOn(step: HistoryStep): boolean {
  return 'isOn' in step && step.isOn;
}
