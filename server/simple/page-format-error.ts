/** The bytes are no project page: not the format they claim, cut off, a later major version of the API, or a page of something else. */
export class PageFormatError extends Error {
  /** `why`: one clause for the log, without the page's bytes. */
  constructor(why: string, options?: ErrorOptions) {
    super(`not a project page: ${why}`, options);
    this.name = 'PageFormatError';
  }
}
