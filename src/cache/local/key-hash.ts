/**
 * 32 bits of a text: FNV-1a over its UTF-16 units, then mixed. http://www.isthe.com/chongo/tech/comp/fnv/
 *
 * @param seed - texts whose hashes are equal by one seed have different ones by another.
 */
export function hashText(text: string, seed = 0): number {
  let hash = 0x811c9dc5 ^ mixHash(seed);
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mixHash(hash);
}

/** Spreads 32 bits evenly: the finalizer of MurmurHash3. https://github.com/aappleby/smhasher */
export function mixHash(bits: number): number {
  let hash = bits | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
