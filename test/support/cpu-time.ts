/**
 * Milliseconds of processor time that `work` takes. Tells what grows with the square of its input from what does not, on any machine and
 * whatever else that does; says nothing of speed.
 */
export function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
