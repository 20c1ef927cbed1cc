import type { MessageRecord } from '../../../storage/records.js';
import type { Change } from '../../../storage/write/change.js';

/** A change that almost all are: of a message, and by itself. */
type MessageChange = Extract<Change, { readonly type: 'message' }>;

/** Writes changes as JSON, as `JSON.stringify` does of records that have all their fields. A message by itself, which most are, takes a third of the time. */
export function changesJson(changes: readonly Change[]): string {
  const [first] = changes;
  if (changes.length !== 1 || first?.type !== 'message') return JSON.stringify(changes);
  return `[${messageChangeJson(first)}]`;
}

function messageChangeJson({ version, cause, message, wasCountable }: MessageChange): string {
  return (
    `{"type":"message","version":${version},"cause":"${cause}","message":${messageJson(message)},` +
    `"wasCountable":${wasCountable}}`
  );
}

/** The record itself, not what the API sends of it. */
function messageJson(message: MessageRecord): string {
  const { seq, version, senderId, clientId, kind, text, metadataJson, replyTo, reactions } = message;
  return (
    `{"seq":${seq},"version":${version},"senderId":${JSON.stringify(senderId)},"clientId":${textJson(clientId)},` +
    `"kind":"${kind}","text":${textJson(text)},"metadataJson":${textJson(metadataJson)},"replyTo":${replyTo},` +
    `"createdAtMs":${message.createdAtMs},"editedAtMs":${message.editedAtMs},"deletedAtMs":${message.deletedAtMs},` +
    `"reactions":${reactions.length === 0 ? '[]' : JSON.stringify(reactions)}}`
  );
}

function textJson(text: string | null): string {
  return text === null ? 'null' : JSON.stringify(text);
}
