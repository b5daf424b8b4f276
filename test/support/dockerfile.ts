import { execFile } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/** What a stage of a Dockerfile came to, in a folder that stands for its file system. */
export interface Stage {
  readonly name: string;
  readonly from: string;
  /** The folder that is `/`. */
  readonly root: string;
  workdir: string;
  readonly env: Record<string, string>;
  user: string | undefined;
  healthcheck: readonly string[] | undefined;
  entrypoint: readonly string[];
  cmd: readonly string[];
  readonly volumes: string[];
  readonly exposed: string[];
}

export interface BuildSettings {
  readonly dockerfile: string;
  /** The folder that is sent along, less what `.dockerignore` in it keeps back. */
  readonly context: string;
  /** An empty folder for the stages. */
  readonly dir: string;
  /** Puts into a new stage what its image has, as far as later steps need it. */
  readonly base: (stage: Stage) => Promise<void>;
  /** What to run in place of a step's command; `undefined`: nothing. */
  readonly command: (command: string, stage: Stage) => string | undefined;
}

/** Runs the steps of a Dockerfile by hand, without a container engine: as far as they use paths relative to their `WORKDIR`. */
export async function buildByHand(settings: BuildSettings): Promise<readonly Stage[]> {
  const stages: Stage[] = [];
  const ignored = await ignoredIn(settings.context);
  for (const { word, rest } of instructionsOf(await readFile(settings.dockerfile, 'utf8'))) {
    if (word === 'FROM') {
      const [from = '', , name = `stage-${stages.length}`] = rest.split(/\s+/);
      const root = join(settings.dir, name);
      await mkdir(root, { recursive: true });
      const made: Stage = {
        ...{ name, from, root, workdir: '/', env: {}, user: undefined, healthcheck: undefined },
        ...{ entrypoint: [], cmd: [], volumes: [], exposed: [] },
      };
      stages.push(made);
      await settings.base(made);
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`${word} before FROM`);
    await step(stage, { word, rest }, { settings, stages, ignored });
  }
  return stages;
}

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

interface Building {
  readonly settings: BuildSettings;
  readonly stages: readonly Stage[];
  readonly ignored: (path: string) => boolean;
}

async function step(stage: Stage, { word, rest }: Instruction, building: Building): Promise<void> {
  switch (word) {
    case 'WORKDIR':
      stage.workdir = rest;
      await mkdir(join(stage.root, rest), { recursive: true });
      return;
    case 'COPY':
      return await copy(stage, rest, building);
    case 'RUN': {
      const command = building.settings.command(rest, stage);
      if (command === undefined) return;
      // Without this process's NODE_OPTIONS: the steps are not tests.
      const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...stage.env };
      await promisify(execFile)('sh', ['-c', command], { cwd: join(stage.root, stage.workdir), env });
      return;
    }
    case 'ENV':
      for (const [, name = '', value = ''] of rest.matchAll(/(\w+)=(\S*)/g)) stage.env[name] = value;
      return;
    case 'USER':
      stage.user = rest;
      return;
    case 'VOLUME':
      stage.volumes.push(rest);
      return;
    case 'EXPOSE':
      stage.exposed.push(rest);
      return;
    case 'HEALTHCHECK':
      stage.healthcheck = JSON.parse(rest.slice(rest.indexOf('CMD') + 3));
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(rest);
      return;
    case 'CMD':
      stage.cmd = JSON.parse(rest);
      return;
    default:
      throw new Error(`the instruction ${word} is not known here`);
  }
}

async function copy(stage: Stage, rest: string, { settings, stages, ignored }: Building): Promise<void> {
  const words = rest.split(/\s+/);
  const name = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  const to = words.pop() ?? '';
  const from = name === undefined ? settings.context : stages.find((other) => other.name === name)?.root;
  if (from === undefined) throw new Error(`COPY from ${name}, which is no stage`);
  const target = to.startsWith('/') ? to : join(stage.workdir, to);
  for (const source of words) {
    if (name === undefined && ignored(source)) throw new Error(`.dockerignore keeps back ${source}`);
    const path = to.endsWith('/') || to === '.' ? join(target, basename(source)) : target;
    await cp(join(from, source), join(stage.root, path), { recursive: true, verbatimSymlinks: true });
  }
}

function instructionsOf(text: string): readonly Instruction[] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n');
  return lines.map((line) => {
    const at = line.indexOf(' ');
    return { word: line.slice(0, at), rest: line.slice(at + 1).trim() };
  });
}

/** Of a `.dockerignore` that names what may come along: what does not. */
async function ignoredIn(context: string): Promise<(path: string) => boolean> {
  const lines = (await readFile(join(context, '.dockerignore'), 'utf8')).split('\n');
  const patterns = lines.filter((line) => !/^\s*(#|$)/.test(line));
  if (patterns[0] !== '*') throw new Error('.dockerignore does not begin with everything');
  const allowed = new Set(patterns.filter((line) => line.startsWith('!')).map((line) => line.slice(1)));
  return (path) => !allowed.has(path.split('/')[0] ?? '');
}
