import { describe, expect, it } from '@jest/globals';
import { PARTICIPANT_ROLES, type ParticipantRole } from '../../src/storage/entities/participant.entity.js';
import type { Actor, ChatOperation } from '../../src/storage/write/chat-operation.js';
import { decideAll } from '../../src/storage/write/decide.js';
import { ChatRows } from './chat-rows.js';
import { SAMPLE_MS, sampleChatId, sampleMessage, sampleParticipant } from './sample-records.js';

const CHAT = sampleChatId(1);
const ACTOR = 'actor';

/** An operation without its chat and actor. */
type Plan = ChatOperation extends infer Each
  ? Each extends ChatOperation
    ? Omit<Each, 'chatId' | 'actor'>
    : never
  : never;

const send = {
  type: 'send',
  text: 'x',
  kind: 'user',
  clientId: null,
  metadataJson: null,
  replyTo: null,
  createdAtMs: null,
} as const;

/** What each role may do: message 1 is the actor's own, message 2 another member's. */
const RULES: readonly { readonly what: string; readonly plan: Plan; readonly roles: readonly ParticipantRole[] }[] = [
  { what: 'send', plan: { ...send, senderId: ACTOR }, roles: ['owner', 'admin', 'member'] },
  { what: 'send in another name', plan: { ...send, senderId: 'member' }, roles: [] },
  { what: 'send a system message', plan: { ...send, senderId: ACTOR, kind: 'system' }, roles: [] },
  { what: 'edit their own message', plan: { type: 'edit', seq: 1, text: 'y' }, roles: ['owner', 'admin', 'member'] },
  { what: "edit another's message", plan: { type: 'edit', seq: 2, text: 'y' }, roles: ['owner', 'admin'] },
  { what: 'delete their own message', plan: { type: 'delete', seq: 1 }, roles: ['owner', 'admin', 'member'] },
  { what: "delete another's message", plan: { type: 'delete', seq: 2 }, roles: ['owner', 'admin'] },
  {
    what: 'react',
    plan: { type: 'react', seq: 2, userId: ACTOR, emoji: '👍', present: true },
    roles: ['owner', 'admin', 'member'],
  },
  {
    what: 'react in another name',
    plan: { type: 'react', seq: 2, userId: 'member', emoji: '👍', present: true },
    roles: [],
  },
  { what: 'mark as read', plan: { type: 'markRead', userId: ACTOR, seq: 1 }, roles: PARTICIPANT_ROLES },
  { what: 'mark as read for another', plan: { type: 'markRead', userId: 'member', seq: 1 }, roles: [] },
  { what: 'add a member', plan: { type: 'join', userId: 'new' }, roles: ['owner', 'admin'] },
  { what: 'add an owner', plan: { type: 'join', userId: 'new', role: 'owner' }, roles: ['owner'] },
  {
    what: 'make a member an admin',
    plan: { type: 'join', userId: 'member', role: 'admin' },
    roles: ['owner', 'admin'],
  },
  { what: 'make a member an owner', plan: { type: 'join', userId: 'member', role: 'owner' }, roles: ['owner'] },
  { what: 'make themselves an owner', plan: { type: 'join', userId: ACTOR, role: 'owner' }, roles: ['owner'] },
  { what: 'take the role of an owner away', plan: { type: 'join', userId: 'owner', role: 'member' }, roles: ['owner'] },
  { what: 'leave', plan: { type: 'leave', userId: ACTOR }, roles: PARTICIPANT_ROLES },
  { what: 'take a member out', plan: { type: 'leave', userId: 'member' }, roles: ['owner', 'admin'] },
  { what: 'take an owner out', plan: { type: 'leave', userId: 'owner' }, roles: ['owner'] },
  { what: 'change the title', plan: { type: 'update', title: 'T' }, roles: ['owner', 'admin'] },
  { what: 'delete the chat', plan: { type: 'remove' }, roles: ['owner'] },
];

/** Two owners, so that taking one away is a question of rights alone. */
function rows(role?: ParticipantRole, leftAtMs: number | null = null): ChatRows {
  const chat = new ChatRows(CHAT);
  chat.head = { lastSeq: 2, version: 3, resetVersion: 0 };
  chat.messages.set(1, sampleMessage({ seq: 1, senderId: ACTOR }));
  chat.messages.set(2, sampleMessage({ seq: 2, senderId: 'member' }));
  for (const [userId, other] of [
    ['owner', 'owner'],
    ['second', 'owner'],
    ['member', 'member'],
  ] as const) {
    chat.participants.set(userId, sampleParticipant({ userId, role: other }));
  }
  if (role !== undefined) chat.participants.set(ACTOR, sampleParticipant({ userId: ACTOR, role, leftAtMs }));
  return chat;
}

/** Decides one operation: the code it is refused with, or `ok`. */
function decide(chat: ChatRows, plan: Plan, actor: Actor): string {
  const operation = { ...plan, chatId: CHAT, actor } as ChatOperation;
  const { decisions, head } = decideAll(chat.head, chat.lock([operation]), [operation]);
  const [decision] = decisions;
  if ('error' in decision!) {
    expect(head).toEqual(chat.head);
    return decision.error.code;
  }
  chat.write(decisions, head);
  return 'ok';
}

const AS_USER: Actor = { type: 'user', userId: ACTOR };
const SERVICE: Actor = { type: 'service' };

describe('a user', () => {
  for (const { what, plan, roles } of RULES) {
    it.each([...PARTICIPANT_ROLES])(`may ${what} only with a role that allows it: %s`, (role) => {
      expect(decide(rows(role), plan, AS_USER)).toBe(roles.includes(role) ? 'ok' : 'forbidden');
    });
  }

  it.each(RULES)(
    'who is not in the chat, or has left, does not learn that it exists by trying to $what',
    ({ plan }) => {
      expect(decide(rows(), plan, AS_USER)).toBe('chat_not_found');
      for (const role of PARTICIPANT_ROLES) expect(decide(rows(role, SAMPLE_MS), plan, AS_USER)).toBe('chat_not_found');
    },
  );
});

describe('who is in the chat', () => {
  it.each([...PARTICIPANT_ROLES])('learns that a message does not exist, whatever their role: %s', (role) => {
    expect(decide(rows(role), { type: 'edit', seq: 3, text: 'y' }, AS_USER)).toBe('message_not_found');
    expect(decide(rows(role), { type: 'delete', seq: 3 }, AS_USER)).toBe('message_not_found');
  });

  it('is told the message that they sent before, although they may not send any more', () => {
    const chat = rows('member');
    const plan = { ...send, senderId: ACTOR, clientId: 'k' } as const;
    expect(decide(chat, plan, AS_USER)).toBe('ok');
    chat.participants.set(ACTOR, sampleParticipant({ userId: ACTOR, role: 'readonly' }));
    const { head } = chat;
    expect(decide(chat, plan, AS_USER)).toBe('ok');
    expect(chat.head).toEqual(head);
    expect(decide(chat, { ...plan, text: 'other' }, AS_USER)).toBe('forbidden');
    expect(decide(chat, { ...plan, clientId: 'new' }, AS_USER)).toBe('forbidden');
    expect(decide(chat, { ...plan, senderId: 'member' }, AS_USER)).toBe('forbidden');
  });
});

describe('an owner who has left', () => {
  it.each(['admin', 'owner'] as const)('comes back with the role that the request gives: asked by an %s', (role) => {
    for (const given of ['admin', 'member', 'readonly', undefined] as const) {
      const chat = rows(role);
      chat.participants.set('owner', sampleParticipant({ userId: 'owner', role: 'owner', leftAtMs: SAMPLE_MS }));
      expect(decide(chat, { type: 'join', userId: 'owner', role: given }, AS_USER)).toBe('ok');
      expect(chat.participants.get('owner')).toMatchObject({ role: given ?? 'member', leftAtMs: null });
    }
  });

  it('comes back as an owner only if an owner says so', () => {
    for (const role of ['owner', 'admin'] as const) {
      const chat = rows(role);
      chat.participants.set('owner', sampleParticipant({ userId: 'owner', role: 'owner', leftAtMs: SAMPLE_MS }));
      const plan = { type: 'join', userId: 'owner', role: 'owner' } as const;
      expect(decide(chat, plan, AS_USER)).toBe(role === 'owner' ? 'ok' : 'forbidden');
    }
  });
});

describe('a service', () => {
  it.each(RULES)('may $what', ({ plan }) => {
    expect(decide(rows('member'), plan, SERVICE)).toBe('ok');
    expect(decide(rows('member'), plan, { type: 'service', userId: 'nobody' })).toBe('ok');
  });
});

describe('the last owner', () => {
  function withOneOwner(): ChatRows {
    const chat = rows('owner');
    for (const userId of ['owner', 'second']) {
      chat.participants.set(userId, sampleParticipant({ userId, role: 'owner', leftAtMs: SAMPLE_MS }));
    }
    return chat;
  }

  it.each([SERVICE, AS_USER])('stays an owner while others are in the chat, whoever asks: %j', (actor) => {
    expect(decide(withOneOwner(), { type: 'leave', userId: ACTOR }, actor)).toBe('last_owner');
    for (const role of ['admin', 'member', 'readonly'] as const) {
      expect(decide(withOneOwner(), { type: 'join', userId: ACTOR, role }, actor)).toBe('last_owner');
    }
  });

  it('may go once somebody else is an owner', () => {
    const chat = withOneOwner();
    expect(decide(chat, { type: 'join', userId: 'member', role: 'owner' }, AS_USER)).toBe('ok');
    expect(decide(chat, { type: 'leave', userId: ACTOR }, AS_USER)).toBe('ok');
    expect(decide(chat, { type: 'leave', userId: 'member' }, { type: 'user', userId: 'member' })).toBe('ok');
    expect(chat.lock([]).participantCount).toBe(0);
  });

  it('may go as the last person of all', () => {
    const chat = withOneOwner();
    expect(decide(chat, { type: 'leave', userId: 'member' }, AS_USER)).toBe('ok');
    expect(decide(chat, { type: 'leave', userId: ACTOR }, AS_USER)).toBe('ok');
  });

  it('may go in a direct chat, which has no owners to speak of', () => {
    for (const plan of [
      { type: 'join', userId: ACTOR, role: 'member' },
      { type: 'leave', userId: ACTOR },
    ] as const) {
      const chat = withOneOwner();
      chat.chat = { ...chat.chat!, kind: 'direct' };
      expect(decide(chat, plan, AS_USER)).toBe('ok');
    }
  });
});
