import { readFile } from 'node:fs/promises';
import { isObject } from '../model/json.ts';
import { checkSettings } from './check.ts';
import { type Complaint, ConfigError, pathText } from './complaints.ts';
import { fileChecks } from './file-checks.ts';
import { applyEnvironment } from './overrides.ts';
import { type Environment, resolveReferences } from './references.ts';
import type { Config } from './schema.ts';

export interface LoadOptions {
  /** The file to read; else the one that `STORMCELLAR_CONFIG` names; else none, and the defaults hold. */
  readonly file?: string;
  readonly env?: Environment;
  /** `references`: variables count only where the file names them, since those that set keys are meant for another configuration. */
  readonly variables?: 'all' | 'references';
}

const LEAST_TOKEN = 20;

/** File and environment to a `Config`. Throws `ConfigError` with every complaint at once. */
export async function loadConfig({ file, env = process.env, variables: which }: LoadOptions = {}): Promise<Config> {
  const name = file ?? (env.STORMCELLAR_CONFIG || undefined);
  const read = name === undefined ? {} : await readConfigFile(name);
  const { value, complaints, places } = await resolveReferences(read, env);
  const raw = isObject(value) ? value : {};
  const fromEnv = applyEnvironment(raw, which === 'references' ? {} : env);
  const variables = new Map(fromEnv.overrides.map(({ path, variable }) => [pathText(path), variable]));
  const { settings, complaints: found } = checkSettings(raw);
  const unreadable = await fileChecks(raw);
  const all = [...complaints, ...fromEnv.complaints, ...found, ...unreadable, ...tokenComplaints(env)].map(
    (complaint) => {
      const variable = variables.get(complaint.path);
      if (variable !== undefined) return { ...complaint, path: `${complaint.path} (${variable})` };
      // It may be a secret, whatever key it was put under.
      const place = places.get(complaint.path);
      return place === undefined ? complaint : { ...complaint, found: `what ${place} holds` };
    },
  );
  if (settings === undefined || all.length > 0) throw new ConfigError(withoutEchoes(all, complaints));
  const bootstrapToken = adminToken(env);
  return bootstrapToken ? { ...settings, bootstrapToken } : settings;
}

/** What a missing reference left behind is told once, not again as a missing key. */
function withoutEchoes(all: readonly Complaint[], first: readonly Complaint[]): Complaint[] {
  return all.filter((one) => first.includes(one) || !first.some(({ path }) => path === one.path));
}

async function readConfigFile(file: string): Promise<Record<string, unknown>> {
  const path = `configuration file ${file}`;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const found = code === 'ENOENT' ? 'no such file' : `a file that cannot be read (${code})`;
    throw new ConfigError([{ path, found, expected: 'a readable JSON file' }]);
  }
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const where = String(error instanceof Error ? error.message : error).replaceAll(/\s+/g, ' ');
    throw new ConfigError([{ path, found: `what is not JSON: ${where}`, expected: 'a JSON object' }]);
  }
  if (isObject(value)) return value;
  throw new ConfigError([{ path, found: 'JSON that is no object', expected: 'a JSON object' }]);
}

/** Without the line break that a secret often ends in: no header could carry it. */
function adminToken(env: Environment): string {
  return (env.STORMCELLAR_ADMIN_TOKEN ?? '').replace(/[\r\n]+$/, '');
}

function tokenComplaints(env: Environment): Complaint[] {
  const token = adminToken(env);
  if (token === '' || token.length >= LEAST_TOKEN) return [];
  const expected = `at least ${LEAST_TOKEN}`;
  return [{ path: 'STORMCELLAR_ADMIN_TOKEN', found: `${token.length} characters`, expected }];
}
