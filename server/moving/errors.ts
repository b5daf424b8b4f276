/** A move that cannot begin or go on; the message is a sentence for the person who asked for it. Nothing is lost by trying again. */
export class MoveError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MoveError';
  }
}
