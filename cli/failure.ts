/** Ends a command with one sentence on standard error: exit code 1 when it failed, 2 when it was called wrongly. */
export class CommandFailure extends Error {
  readonly exitCode: 1 | 2;
  constructor(sentence: string, exitCode: 1 | 2 = 1, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
  }
}
