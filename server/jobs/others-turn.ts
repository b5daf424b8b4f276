/** Lets requests have their turn: a catalog in this process answers without a pause. */
export async function othersTurn(): Promise<void> {
  await new Promise(setImmediate);
}
