/** A reporter for node's test runner: one line for every test or suite that was skipped, with its reason. */
// biome-ignore lint/style/noDefaultExport: node takes a reporter by its default export
export default async function* skips(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' || data.skip === undefined) continue;
    const reason = typeof data.skip === 'string' ? data.skip : 'no reason given';
    yield `- ${data.name} (${data.file ?? 'unknown file'}): ${reason}\n`;
  }
}
