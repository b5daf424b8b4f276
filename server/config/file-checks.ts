import { readFile } from 'node:fs/promises';
import { isObject } from '../model/json.ts';
import { type Complaint, pathText } from './complaints.ts';
import { valueAt } from './keys.ts';

/** The files of certificates that are named and cannot be read, in what was written, whatever else is wrong with it. */
export async function fileChecks(raw: Readonly<Record<string, unknown>>): Promise<Complaint[]> {
  const holders = [['catalog'], ...Object.keys(isObject(raw.repositories) ? raw.repositories : {}).map(inRepositories)];
  const found = await Promise.all(
    holders.map(async (holder): Promise<Complaint[]> => {
      const path = [...holder, 'caFile'];
      const file = valueAt(raw, path);
      const code = typeof file === 'string' && file !== '' ? await whyUnreadable(file) : undefined;
      if (code === undefined) return [];
      return [
        {
          path: pathText(path),
          found: `file ${file}, which cannot be read (${code})`,
          expected: 'a readable PEM file',
        },
      ];
    }),
  );
  return found.flat();
}

/** The system's word for why a file cannot be read, such as `ENOENT`; `undefined` when it can. */
export async function whyUnreadable(file: string): Promise<string | undefined> {
  try {
    await readFile(file);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

function inRepositories(name: string): string[] {
  return ['repositories', name];
}
