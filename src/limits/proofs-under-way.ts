/** Counts the proofs of identity that are looked at for each address at the moment. */
export class ProofsUnderWay {
  readonly #byAddress = new Map<string, number>();

  /** @param max - proofs of one address at once. */
  constructor(private readonly max: number) {}

  /** Lets a proof begin, unless the address has as many under way as it may; {@link end} must follow one that has begun. */
  begin(address: string): boolean {
    const underWay = this.#byAddress.get(address) ?? 0;
    if (underWay >= this.max) return false;
    this.#byAddress.set(address, underWay + 1);
    return true;
  }

  /** A proof has ended, however. */
  end(address: string): void {
    const underWay = this.#byAddress.get(address) ?? 0;
    if (underWay > 1) this.#byAddress.set(address, underWay - 1);
    else this.#byAddress.delete(address);
  }
}
