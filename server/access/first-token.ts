import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Catalog } from '../catalog/catalog.ts';
import { appendEvent } from '../catalog/events.ts';
import { claimFirstToken, firstTokenIsDue, insertToken } from '../catalog/tokens.ts';
import type { Clock } from '../clock.ts';
import { hashSecret, newTokenId, newTokenSecret, parseTokenSecret, type TokenSecret } from './token.ts';

const NAME = 'first-start';

/**
 * On the very first start, when the catalog has never held a token, makes an admin token and keeps it in `admin-token` in the
 * data folder, mode 0600. Answers the secret, to be printed this once; `undefined` on every later start. To be called when no
 * bootstrap token is set. The file is written before the row, so that a start that is cut short can be repeated.
 */
export async function ensureFirstToken(parts: {
  catalog: Catalog;
  clock: Clock;
  dataDir: string;
}): Promise<TokenSecret | undefined> {
  const { catalog, clock, dataDir } = parts;
  if (!(await catalog.read(firstTokenIsDue))) return undefined;
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, 'admin-token');
  const kept = await readSecret(path);
  const secret = kept ?? newTokenSecret();
  if (kept === undefined) await writeSecret(path, secret);
  const now = clock.nowMs();
  const id = newTokenId(now);
  const createdBy = 'server';
  const made = await catalog.write(function* () {
    if (!(yield* claimFirstToken(now))) return false;
    yield* insertToken(
      { id, name: NAME, kind: 'token', can: ['admin'], createdAt: now, createdBy },
      hashSecret(secret),
    );
    const detail = { name: NAME, can: ['admin'] };
    yield* appendEvent({ at: now, kind: 'token-created', actor: { name: createdBy }, subject: `token/${id}`, detail });
    return true;
  });
  if (made) return secret;
  // Another node on the same catalog was faster; a file that it did not read names no token.
  if (kept === undefined) await rm(path, { force: true });
  return undefined;
}

async function readSecret(path: string): Promise<TokenSecret | undefined> {
  try {
    const secret = parseTokenSecret((await readFile(path, 'utf8')).trim());
    await chmod(path, 0o600);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function writeSecret(path: string, secret: TokenSecret): Promise<void> {
  const unfinished = `${path}.new`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(`${secret}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
}
