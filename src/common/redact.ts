/**
 * User and password of an address: all between `//` and the last `@` of the word, as passwords may hold an `@` or a `/`, and those of databases
 * quotes too. Addresses of files are paths alone, in which an `@` is before the scope of a package.
 */
const CREDENTIALS = /\b(?!file:)(?:((?:postgres(?:ql)?|rediss?):\/\/)\S*@|([a-z][a-z0-9+.-]*:\/\/)[^\s"']*@)/gi;

/** A password that is a parameter of an address or of a connection string. */
const PASSWORD = /\b(password|passwd|pwd|sslpassword)=('[^']*'|[^\s&;"']+)/gi;

/** What callers prove who they are with, as a header carries it, and tokens wherever they stand. */
const TOKENS = /\b(?:(Bearer|Basic) +[^\s"',;]+|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?)/gi;

/** A text with users and passwords of addresses, passwords of connection strings and tokens replaced by `***`. */
export function redact(text: string): string {
  let redacted = text.includes('://') ? text.replace(CREDENTIALS, '$1$2***@') : text;
  if (redacted.includes('=')) redacted = redacted.replace(PASSWORD, '$1=***');
  return redacted.replace(TOKENS, (_all, scheme: string | undefined) =>
    scheme === undefined ? '***' : `${scheme} ***`,
  );
}
