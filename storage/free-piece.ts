/**
 * Frees what a socket was read into, if all of it is this piece, which nobody may look at any more. The collector sees only the small
 * object in front of it: it lets a hundred megabytes of such pieces pile up before it comes, or comes for each fifteen of them.
 */
export function freePiece({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength) buffer.transfer(0);
}
