/** Ends a command with one sentence on standard error: exit code 1 when it failed, 2 when it was called wrongly. */
export class CommandFailure extends Error {
  readonly exitCode: 1 | 2;
  constructor(sentence: string, exitCode: 1 | 2 = 1, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
  }
}

/** The server answered, and not as was hoped. */
export class Refusal extends CommandFailure {
  readonly status: number;
  constructor(sentence: string, status: number) {
    super(sentence);
    this.name = 'Refusal';
    this.status = status;
  }

  /** Would the same request get the same answer a moment later? */
  get isFinal(): boolean {
    return this.status < 500 && this.status !== 429;
  }
}
