/** Lets others in this thread have their turn: what computes, or asks a catalog in this process, goes on without a pause. */
export async function othersTurn(): Promise<void> {
  await new Promise(setImmediate);
}
