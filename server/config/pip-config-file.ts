import { join } from 'node:path';
import type { Environment } from './references.ts';

/** Options of pip by section and name, as a configuration file has them. */
export type PipOptions = ReadonlyMap<string, string>;

/**
 * Reads a pip configuration file as Python's `configparser` does, as far as pip uses it: sections, `name = value` or
 * `name: value`, comments, values that go on in indented lines. Keys of the result are `section.name`, names with `-`.
 */
export function parsePipConfig(text: string): PipOptions {
  const options = new Map<string, string>();
  let section = '';
  let last: string | undefined;
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    if (last !== undefined && /^\s/.test(line)) {
      options.set(last, `${options.get(last) ?? ''}\n${line.trim()}`.trim());
      continue;
    }
    last = undefined;
    const header = /^\[([^\]]+)\]/.exec(line);
    const option = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(line);
    if (header?.[1] !== undefined) section = header[1];
    else if (option?.[1] !== undefined) {
      last = `${section}.${option[1].toLowerCase().replace(/^--/, '').replaceAll('_', '-')}`;
      options.set(last, (option[2] ?? '').trim());
    }
  }
  return options;
}

export interface PipPlace {
  readonly env: Environment;
  /** The user's home folder. */
  readonly home: string;
  readonly platform: string;
}

/**
 * The files that pip reads, a later one winning over an earlier one: global, user, site, `PIP_CONFIG_FILE`. None at all when
 * that names the null device. (pip's user guide, "Configuration".)
 */
export function pipConfigFiles({ env, home, platform }: PipPlace): string[] {
  const named = env.PIP_CONFIG_FILE;
  if (named === '/dev/null') return [];
  const sites = [env.VIRTUAL_ENV, env.CONDA_PREFIX].filter((folder) => folder !== undefined && folder !== '');
  return [
    ...(platform === 'darwin' ? ['/Library/Application Support/pip/pip.conf'] : xdgFolders(env)),
    '/etc/pip.conf',
    join(home, '.pip', 'pip.conf'),
    ...(platform === 'darwin' ? [join(home, 'Library', 'Application Support', 'pip', 'pip.conf')] : []),
    join(env.XDG_CONFIG_HOME || join(home, '.config'), 'pip', 'pip.conf'),
    ...sites.map((folder) => join(String(folder), 'pip.conf')),
    ...(named ? [named] : []),
  ];
}

/** Folders for all users, the most important last. */
function xdgFolders(env: Environment): string[] {
  const folders = (env.XDG_CONFIG_DIRS || '/etc/xdg').split(':').filter((folder) => folder !== '');
  return folders.reverse().map((folder) => join(folder, 'pip', 'pip.conf'));
}
