/** Those of one address who prove who they are now, and those who wait for their turn to. */
interface Line {
  underWay: number;
  readonly waiting: ((isLetIn: boolean) => void)[];
}

/**
 * Lets proofs of identity be looked at as long as their address has failures left: never more at once than could all fail. Others wait for those to
 * end, so that many who can prove who they are get their turn however few failures are allowed, and nobody has more than those looked at by coming
 * all at once.
 */
export class ProofLines {
  readonly #lines = new Map<string, Line>();

  /**
   * @param max - proofs of one address that are looked at or wait.
   * @param failuresLeft - how often an address may fail from now on.
   */
  constructor(
    private readonly max: number,
    private readonly failuresLeft: (address: string) => number,
  ) {}

  /** Waits for a turn. @returns whether there is one; {@link end} must follow then. */
  begin(address: string): Promise<boolean> {
    const left = this.failuresLeft(address);
    const line = this.#lines.get(address) ?? { underWay: 0, waiting: [] };
    if (left <= 0 || line.underWay + line.waiting.length >= this.max) return Promise.resolve(false);
    this.#lines.set(address, line);
    if (line.underWay >= left) return new Promise((resolve) => line.waiting.push(resolve));
    line.underWay++;
    return Promise.resolve(true);
  }

  /** A proof has ended, and a failure has been counted. Who waits is let in while there is room, or turned away. */
  end(address: string): void {
    const line = this.#lines.get(address)!;
    line.underWay--;
    const left = this.failuresLeft(address);
    // As long as somebody waits, somebody is under way, who will come here.
    while (line.waiting.length > 0 && (left <= 0 || line.underWay < left)) {
      if (left > 0) line.underWay++;
      line.waiting.shift()!(left > 0);
    }
    if (line.underWay === 0) this.#lines.delete(address);
  }
}
