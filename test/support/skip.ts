/**
 * What a test that cannot run here gives as its `skip`: the reason, for a line that says so. With `CI=true` nothing may be left
 * out, and it throws. `skipOrFail(undefined)` is `false`: nothing is missing.
 */
export function skipOrFail(reason: string | undefined): string | false {
  if (reason === undefined) return false;
  if (process.env.CI === 'true') throw new Error(`${reason}; with CI=true this is a failure`);
  return reason;
}
