/** User and password of an address: all between `//` and the last `@` of the word, as passwords may hold an `@` or a `/`. */
const CREDENTIALS = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s"']*@/gi;

/** A text with the user and the password of every connection address in it replaced by `***`. */
export function redact(text: string): string {
  return text.includes('://') ? text.replace(CREDENTIALS, '$1***@') : text;
}
