// Enough to make the cost of a write small; one batch is being written while the next is gathered.
const BATCH_BYTES = 1024 * 1024;

/**
 * Hands all bytes to `write`, in order, one call at a time: what arrives while a call is under way goes into the next one. So the first bytes
 * are written at once, and a fast source in few large pieces. Ends early, with `false`, when `write` says `false`; throws what either throws.
 */
export async function inBatches(
  bytes: AsyncIterable<Buffer>,
  write: (batch: Buffer) => Promise<boolean>,
): Promise<boolean> {
  let gathered: Buffer[] = [];
  let size = 0;
  let writing: Promise<boolean> | undefined;
  const writeAll = async (): Promise<boolean> => {
    let goesOn = true;
    while (goesOn && gathered.length > 0) {
      const batch = gathered.length === 1 && gathered[0] ? gathered[0] : Buffer.concat(gathered, size);
      gathered = [];
      size = 0;
      goesOn = await write(batch);
    }
    // A failure stays, for the source to notice.
    if (goesOn) writing = undefined;
    return goesOn;
  };
  for await (const chunk of bytes) {
    gathered.push(chunk);
    size += chunk.length;
    if (!writing) {
      writing = writeAll();
      writing.catch(() => {}); // noticed below
    }
    if (size >= BATCH_BYTES && writing && !(await writing)) return false;
  }
  return writing ? await writing : true;
}
