/** Lets buffers be made as long as all that are lent out stay within a number of bytes; others wait their turn. */
export class ByteBudget {
  #free: number;
  readonly #capacity: number;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#free = capacity;
  }

  /** A buffer of `bytes`, to be given back by `give`. More than the whole budget waits until everything is given back. */
  async take(bytes: number): Promise<Buffer> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((go) => this.#waiting.push({ bytes, go }));
    } else {
      this.#free -= bytes;
    }
    return Buffer.allocUnsafeSlow(bytes);
  }

  give(buffer: Buffer): void {
    this.#free += buffer.length;
    for (let first = this.#waiting[0]; first && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= first.bytes;
      first.go();
    }
  }

  #fits(bytes: number): boolean {
    return bytes <= this.#free || this.#free === this.#capacity;
  }
}
