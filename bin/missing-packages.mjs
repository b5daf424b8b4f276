/** Whether an import failed since packages are not installed, or not those of this version. */
export function isMissingPackage(error) {
  const { code, message = '' } = error ?? {};
  if (code === 'ERR_MODULE_NOT_FOUND') return message.startsWith('Cannot find package');
  return code === 'MODULE_NOT_FOUND' && /^Cannot find module '[^./]/.test(message);
}

/** Ends the process with a sentence for that, and throws everything else. */
export function endIfMissing(error) {
  if (!isMissingPackage(error)) throw error;
  const [name = ''] = /'[^']+'/.exec(error.message) ?? [];
  process.stderr.write(
    `The package ${name}, which Stormcellar needs, is not installed: run "npm ci" where it lies first.\n`,
  );
  process.exit(1);
}
