/** Whether a text names one Redis node, or several with commas between, by URLs that can be connected to. */
export function isRedisUrl(text: string): boolean {
  return parseRedisUrls(text) !== undefined;
}

/** Reads the URLs of Redis nodes; `undefined` when one of them is none. */
export function parseRedisUrls(text: string): readonly URL[] | undefined {
  const urls: URL[] = [];
  for (const part of text.split(',').map((each) => each.trim())) {
    if (!/^rediss?:\/\//.test(part) || !URL.canParse(part)) return undefined;
    const url = new URL(part);
    if (url.hostname === '') return undefined;
    urls.push(url);
  }
  return urls;
}

/** Where a node is. */
export interface RedisNodeAddress {
  /** A name, or an address of IPv4 or IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 6379;

/** Where a URL leads. */
export function addressOf({ hostname, port }: URL): RedisNodeAddress {
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? DEFAULT_PORT : Number(port) };
}

/** Whether a URL asks for TLS. */
export function isTls({ protocol }: URL): boolean {
  return protocol === 'rediss:';
}

/** How a URL says to log in; nodes that a cluster tells of come without it. */
export function loginOf({ username, password }: URL): { readonly username?: string; readonly password?: string } {
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  };
}
