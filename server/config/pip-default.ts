import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type PipOptions, type PipPlace, parsePipConfig, pipConfigFiles } from './pip-config-file.ts';
import type { Environment } from './references.ts';
import { type IndexAddress, parseIndexAddress } from './values.ts';

/** The index that pip on this machine uses. */
export interface PipIndex extends IndexAddress {
  /** Where that was found, in words. */
  readonly from: string;
  /** PEM file of certificate authorities that pip trusts, when it is told to. */
  readonly caFile: string | null;
  /** Proxy that pip is told to use. */
  readonly proxy: string | null;
}

export interface PipQuestion extends PipPlace {
  /** Is this an address of ours? Asking ourselves would go round in circles. */
  readonly isOwn: (url: URL) => boolean;
  /** Files to read instead of pip's own. */
  readonly files?: readonly string[];
  /** Runs a command; its output, or `undefined` when it cannot be run, fails or takes too long. */
  readonly run?: (command: string, args: readonly string[], env: Environment) => Promise<string | undefined>;
}

interface Candidate {
  readonly text: string;
  readonly from: string;
}

/** What `"url": "auto"` means here: the first of the candidates that is an http(s) address and not ours. Never throws. */
export async function findPipIndex(question: PipQuestion): Promise<{ index?: PipIndex; warnings: readonly string[] }> {
  const warnings: string[] = [];
  const options = await readOptions(question.files ?? pipConfigFiles(question));
  const known = [...fromEnvironment(question.env), ...fromOptions(options)];
  const around = { caFile: caFileOf(question.env, options), proxy: proxyOf(question.env, options) };
  for (const { text, from } of known) {
    const address = usable({ text, from }, question, warnings);
    if (address !== undefined) return { index: { ...address, from, ...around }, warnings };
  }
  const builtIn = await builtInDefault(question);
  const address = builtIn && usable(builtIn, question, warnings);
  if (builtIn === undefined || address === undefined) return { warnings };
  return { index: { ...address, from: builtIn.from, ...around }, warnings };
}

function usable({ text, from }: Candidate, { isOwn }: PipQuestion, warnings: string[]): IndexAddress | undefined {
  const address = parseIndexAddress(text);
  if (address === undefined) {
    warnings.push(`${from} names an index that is no http(s) address; it is passed over.`);
    return undefined;
  }
  if (isOwn(new URL(address.url))) {
    warnings.push(`${from} points at this server itself; it is passed over.`);
    return undefined;
  }
  return address;
}

function fromEnvironment(env: Environment): Candidate[] {
  return ['PIP_INDEX_URL', 'UV_DEFAULT_INDEX', 'UV_INDEX_URL'].flatMap((name) => {
    const value = env[name]?.trim() ?? '';
    // uv takes `name=address` too.
    const text = name === 'UV_DEFAULT_INDEX' ? value.replace(/^[\w.-]+=(?=https?:)/, '') : value;
    return text === '' ? [] : [{ text, from: `The environment variable ${name}` }];
  });
}

interface FoundOption {
  readonly value: string;
  readonly file: string;
}

async function readOptions(files: readonly string[]): Promise<ReadonlyMap<string, FoundOption>> {
  const all = new Map<string, FoundOption>();
  for (const file of files) {
    for (const [name, value] of await optionsIn(file)) if (value !== '') all.set(name, { value, file });
  }
  return all;
}

/** Options of a file; none when it is not there or not ours to read, as pip has it. */
async function optionsIn(file: string): Promise<PipOptions> {
  try {
    return parsePipConfig(await readFile(file, 'utf8'));
  } catch {
    return new Map();
  }
}

/** A section of a command wins over the global one. */
function option(options: ReadonlyMap<string, FoundOption>, name: string): FoundOption | undefined {
  return options.get(`install.${name}`) ?? options.get(`global.${name}`);
}

function fromOptions(options: ReadonlyMap<string, FoundOption>): Candidate[] {
  return ['install', 'global'].flatMap((section) => {
    const found = options.get(`${section}.index-url`);
    return found === undefined ? [] : [{ text: found.value, from: `pip’s configuration file ${found.file}` }];
  });
}

function caFileOf(env: Environment, options: ReadonlyMap<string, FoundOption>): string | null {
  const names = ['REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE'];
  const files = [env.PIP_CERT, option(options, 'cert')?.value, ...names.map((name) => env[name])];
  return files.find((file) => file !== undefined && file !== '') ?? null;
}

function proxyOf(env: Environment, options: ReadonlyMap<string, FoundOption>): string | null {
  const text = env.PIP_PROXY || option(options, 'proxy')?.value;
  if (!text) return null;
  return /^https?:\/\//i.test(text) ? text : `http://${text}`;
}

const PIPS: readonly [string, readonly string[]][] = [
  ['pip', []],
  ['pip3', []],
  ['python3', ['-m', 'pip']],
  ['python', ['-m', 'pip']],
];

/** What a pip that is told nothing uses: its help states it. */
async function builtInDefault({ env, run = runQuietly }: PipQuestion): Promise<Candidate | undefined> {
  const plain = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('PIP_')));
  // A wide terminal, because help is wrapped at hyphens too, and addresses have some.
  const told = { ...plain, PIP_CONFIG_FILE: '/dev/null', PIP_DISABLE_PIP_VERSION_CHECK: '1', COLUMNS: '1000' };
  for (const [command, args] of PIPS) {
    const help = await run(command, [...args, 'install', '--help'], told);
    const text = /--index-url\b[^(]*\(default:?\s+(\S+?)\)/.exec(help ?? '')?.[1];
    if (text !== undefined) return { text, from: 'The built-in default of pip' };
  }
  return undefined;
}

const LONGEST_RUN_MS = 5000;

function runQuietly(command: string, args: readonly string[], env: Environment): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { env: { ...env }, timeout: LONGEST_RUN_MS, killSignal: 'SIGKILL' as const, maxBuffer: 2 ** 20 };
    execFile(command, [...args], options, (error, output) => resolve(error === null ? output : undefined));
  });
}
