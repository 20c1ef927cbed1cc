import type { Findings } from '../faults/findings.js';
import { describe, groupByChat } from './answers.js';
import type { ChatAtEnd, History, HistoryAnswer, HistorySend } from './history.js';

/**
 * Checks what the versions held, and what is left of what was sent:
 * - *one version, one state*: whoever was told version v was told the same of each part.
 * - *state at the end*: a part that was last changed in version w is, at w and later, as it is at the end.
 * - *last version*: nobody was told a version that is not in the database.
 * - *acknowledged sends*, *exactly once*, *rows that were sent*, *texts*: what was acknowledged is at its seq, with a text that was
 *   written; what was begun is there once at most; nothing else is there.
 * - *lines without holes*: messages are numbered from 1 to `last_seq`, and have versions of their own, none beyond the chat's.
 */
export function checkContents(history: History, findings: Findings): void {
  const answers = groupByChat<HistoryAnswer>([...history.reads, ...history.writes]);
  const sends = new Map<string, HistorySend[]>(history.chats.map(({ chatId }) => [chatId, []]));
  for (const send of history.sends) sends.get(send.chatId)?.push(send);
  for (const chat of history.chats) {
    const told = answers.get(chat.chatId) ?? [];
    checkStates(told, findings);
    for (const answer of told) {
      const isThere = answer.version <= chat.version;
      findings.expect(isThere, 'last version', () => `${describe(answer)}, the database has ${chat.version}`);
      checkAgainstEnd(answer, chat, findings);
    }
    checkLine(chat, findings);
    checkSends(chat, sends.get(chat.chatId)!, findings);
  }
  const known = new Set(history.chats.map(({ chatId }) => chatId));
  for (const chatId of answers.keys()) {
    findings.expect(known.has(chatId), 'chats', () => `${chatId} is not in the database`);
  }
}

function checkStates(answers: readonly HistoryAnswer[], findings: Findings): void {
  const first = new Map<string, { readonly value: string; readonly answer: HistoryAnswer }>();
  for (const answer of answers) {
    for (const [name, value] of answer.facts) {
      const key = `${answer.version} ${name}`;
      const other = first.get(key);
      if (other === undefined) {
        first.set(key, { value, answer });
        continue;
      }
      findings.expect(other.value === value, 'one version, one state', () => {
        return `${name}: ${value} by ${describe(answer)}; but ${other.value} by ${describe(other.answer)}`;
      });
    }
  }
}

function checkAgainstEnd(answer: HistoryAnswer, chat: ChatAtEnd, findings: Findings): void {
  for (const [name, value] of answer.facts) {
    const last = chat.facts.get(name);
    if (last === undefined || answer.version < last.version) continue;
    findings.expect(last.value === value, 'state at the end', () => {
      return `${name}: ${value} by ${describe(answer)}; but ${last.value} since version ${last.version}`;
    });
  }
}

function checkLine({ chatId, version, lastSeq, rows }: ChatAtEnd, findings: Findings): void {
  const seqs = rows.map(({ seq }) => seq).sort((one, other) => one - other);
  const isWhole = seqs.length === lastSeq && seqs.every((seq, at) => seq === at + 1);
  findings.expect(isWhole, 'lines without holes', () => `${chatId}: last_seq ${lastSeq}, rows ${seqs.join(' ')}`);
  const versions = rows.map((row) => row.version).sort((one, other) => one - other);
  const isOrdered = versions.every((each, at) => each >= 1 && each <= version && each !== versions[at - 1]);
  findings.expect(isOrdered, 'lines without holes', () => `${chatId}: version ${version}, rows ${versions.join(' ')}`);
}

function checkSends({ chatId, rows }: ChatAtEnd, sends: readonly HistorySend[], findings: Findings): void {
  const sent = new Map(sends.map((send) => [nameOf(send.senderId, send.clientId, send.texts[0]), send]));
  const found = new Map<string, number>();
  for (const { seq, senderId, clientId, text } of rows) {
    const name = nameOf(senderId, clientId, text);
    const send = sent.get(name);
    const what = (): string => `chat ${chatId}, message ${seq}: ${name}`;
    findings.expect(send !== undefined, 'rows that were sent', what);
    findings.expect(!found.has(name), 'exactly once', () => `${what()} is at ${found.get(name)} too`);
    if (!found.has(name)) found.set(name, seq);
    if (send === undefined) continue;
    const isWritten = text === undefined ? send.isDeleted : send.texts.includes(text);
    findings.expect(isWritten, 'texts', () => `${what()} has a text that nobody has written: ${text}`);
  }
  for (const [name, { seq }] of sent) {
    if (seq === undefined) continue;
    const isThere = found.get(name) === seq;
    findings.expect(isThere, 'acknowledged sends', () => `chat ${chatId}, ${name}: told ${seq}, is ${found.get(name)}`);
  }
}

/** What a message is known by: its clientId, else its text, which is then written once and never changed. */
function nameOf(senderId: string, clientId: string | undefined, text: string | undefined): string {
  return `${senderId} ${clientId ?? `"${text}"`}`;
}
