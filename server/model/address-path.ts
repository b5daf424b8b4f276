/** A part of an address without its percent-encoding; `undefined` when that is not valid, or not UTF-8. */
export function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** What stands behind the last slash of an address's path, decoded once; `''` behind a slash at the end. */
export function lastSegment(path: string): string | undefined {
  return percentDecoded(path.slice(path.lastIndexOf('/') + 1));
}
