const MAGIC = 0xfd2fb528;
// Sixteen of them: frames that decompressors pass over.
const SKIPPABLE_MAGIC = 0x184d2a50;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const RUN_OF_ONE_BYTE = 1;
const RESERVED = 3;

/**
 * The pieces of a zstd stream (RFC 8878), cut where a frame ends. Node's decompressor goes on with the next frame in the next piece, but takes no
 * notice of what follows in the same one; `pzstd` and `cat` make streams of many frames. What is no frame comes through for the
 * decompressor to refuse.
 */
export async function* cutAtFrames(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const frames = new FrameWalker();
  for await (const chunk of packed) {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + frames.take(chunk.subarray(at)));
      at += piece.length;
      yield piece;
    }
  }
}

/** Goes through frames by the lengths that their headers and blocks give. */
class FrameWalker {
  readonly #head = Buffer.alloc(4);
  #filled = 0;
  #wanted = 4;
  #reads: 'magic' | 'length' | 'descriptor' | 'block' | 'nothing' = 'magic';
  /** Bytes that belong to what was read last. */
  #left = 0;
  #hasChecksum = false;
  #isEnding = false;

  /** How many of these bytes come before the end of a frame; all of them where none ends. */
  take(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.#reads === 'nothing') return bytes.length;
      if (this.#left > 0) {
        const passed = Math.min(this.#left, bytes.length - at);
        this.#left -= passed;
        at += passed;
      } else {
        this.#head[this.#filled++] = bytes[at++] ?? 0;
        if (this.#filled < this.#wanted) continue;
        this.#filled = 0;
        this.#step();
      }
      if (this.#left > 0 || !this.#isEnding) continue;
      this.#isEnding = false;
      this.#expect('magic', 4);
      return at;
    }
    return at;
  }

  #expect(what: 'magic' | 'length' | 'descriptor' | 'block', bytes: number): void {
    this.#reads = what;
    this.#wanted = bytes;
  }

  #step(): void {
    const head = this.#head;
    switch (this.#reads) {
      case 'magic': {
        const magic = head.readUInt32LE(0);
        if (magic === MAGIC) this.#expect('descriptor', 1);
        else if (magic - (magic % 16) === SKIPPABLE_MAGIC) this.#expect('length', 4);
        else this.#reads = 'nothing';
        break;
      }
      case 'length':
        this.#left = head.readUInt32LE(0);
        this.#isEnding = true;
        break;
      case 'descriptor':
        this.#takeDescriptor(head[0] ?? 0);
        break;
      case 'block':
        this.#takeBlock(head.readUIntLE(0, 3));
        break;
    }
  }

  #takeDescriptor(descriptor: number): void {
    const isSingle = (descriptor & 0x20) !== 0;
    const contentSize = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3];
    const dictionaryId = DICTIONARY_ID_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3];
    this.#hasChecksum = (descriptor & 4) !== 0;
    // One byte either way: the size of the window, or that of the content where it has no field else.
    this.#left = (isSingle && contentSize > 0 ? 0 : 1) + dictionaryId + contentSize;
    this.#expect('block', 3);
  }

  #takeBlock(header: number): void {
    const type = (header >> 1) & 3;
    if (type === RESERVED) {
      this.#reads = 'nothing';
      return;
    }
    this.#left = type === RUN_OF_ONE_BYTE ? 1 : header >> 3;
    if ((header & 1) === 0) return;
    this.#isEnding = true;
    if (this.#hasChecksum) this.#left += 4;
  }
}
