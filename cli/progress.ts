import { bytes, note } from './print.ts';

/** Tells a person how far a transfer has come: one line that changes on a terminal, else a line at the start and at the end. */
export class Progress {
  readonly #what: string;
  readonly #total: number | undefined;
  readonly #isTerminal: boolean;
  readonly #startedAt = Date.now();
  #done = 0;
  #drawnAt = 0;

  /** `what` is short, such as `push myapp-0.1.tar.gz`; `total` in bytes. */
  constructor(what: string, total: number | undefined, isTerminal: boolean = process.stderr.isTTY === true) {
    this.#what = what;
    this.#total = total;
    this.#isTerminal = isTerminal;
    if (!isTerminal) note(total === undefined ? what : `${what} (${bytes(total)})`);
  }

  /** So many bytes more. */
  add(count: number): void {
    this.#done += count;
    const now = Date.now();
    if (!this.#isTerminal || now - this.#drawnAt < 100) return;
    this.#drawnAt = now;
    process.stderr.write(`\r\u001b[K${this.#line()}`);
  }

  /** To be called once, whether it went well or not. */
  end(): void {
    if (this.#isTerminal) process.stderr.write('\r\u001b[K');
  }

  #line(): string {
    const seconds = Math.max((Date.now() - this.#startedAt) / 1000, 0.1);
    const speed = `${bytes(Math.round(this.#done / seconds))}/s`;
    if (this.#total === undefined || this.#total === 0) return `${this.#what}  ${bytes(this.#done)}  ${speed}`;
    const share = Math.min(this.#done / this.#total, 1);
    const bar = '#'.repeat(Math.round(share * 20)).padEnd(20, '.');
    return `${this.#what}  [${bar}] ${Math.floor(share * 100)} %  ${bytes(this.#done)} of ${bytes(this.#total)}  ${speed}`;
  }
}
