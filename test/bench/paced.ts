import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const EVERY_MS = 5;

/** Asks for `url` 200 times a second, over one connection, until `meanwhile` is done: milliseconds that 99 of 100 answers took at most. */
export async function p99While(url: string, meanwhile: Promise<unknown>): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const took: number[] = [];
  let isDone = false;
  const ended = meanwhile.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const begun = performance.now();
    await answered(url, agent);
    const ms = performance.now() - begun;
    took.push(ms);
    await delay(Math.max(0, EVERY_MS - ms));
  }
  agent.destroy();
  await ended;
  took.sort((a, b) => a - b);
  return took[Math.ceil(took.length * 0.99) - 1] ?? Number.NaN;
}

async function answered(url: string, agent: Agent): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} was answered with ${response.statusCode}`));
      response.resume().once('end', resolve).once('error', reject);
    });
    request.once('error', reject);
  });
}
