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
