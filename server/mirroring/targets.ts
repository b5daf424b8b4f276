import { parseWheelFilename, type WheelTag } from '../model/filename.ts';
import { Problem } from '../problem.ts';

/** What a lock will be installed on, such as `cp311-manylinux_2_17_x86_64`. */
export interface Target {
  /** As it was given. */
  readonly text: string;
  /** `cp`, `pp` … and the version, such as 3 and 11. */
  readonly implementation: string;
  readonly major: number;
  readonly minor: number;
  readonly platform: string;
}

const TARGET = /^(cp|pp|py)(\d)(\d{1,2})-([A-Za-z0-9_.]{1,60})$/;

/** Reads targets. Throws `malformed-request`. */
export function parseTargets(texts: readonly string[]): readonly Target[] {
  return texts.map((text) => {
    const match = TARGET.exec(text);
    if (match === null) {
      throw new Problem(
        'malformed-request',
        'A target is a Python and a platform, such as cp311-manylinux_2_17_x86_64.',
        {
          members: { errors: [{ pointer: '/targets', detail: `not a target: ${text.slice(0, 80)}` }] },
        },
      );
    }
    const [, implementation = '', major = '', minor = '', platform = ''] = match;
    return { text, implementation, major: Number(major), minor: Number(minor), platform: platform.toLowerCase() };
  });
}

/** Would an installer on one of the targets take this wheel? What is no wheel fits everywhere. */
export function fitsTargets(filename: string, targets: readonly Target[]): boolean {
  if (!filename.endsWith('.whl')) return true;
  const wheel = parseWheelFilename(filename);
  if (wheel === undefined) return true;
  return targets.some((target) => wheel.tags.some((tag) => fits(tag, target)));
}

function fits(tag: WheelTag, target: Target): boolean {
  return fitsPython(tag, target) && (tag.platform === 'any' || fitsPlatform(tag.platform, target.platform));
}

/** PEP 425: the interpreter's own tag, the stable ABI of it or an older minor version, and what is written in plain Python. */
function fitsPython({ python, abi }: WheelTag, { implementation, major, minor }: Target): boolean {
  const match = /^(cp|pp|py)(\d)(\d*)$/.exec(python);
  if (match === null || Number(match[2]) !== major) return false;
  const [, kind, , minorText = ''] = match;
  const wheelMinor = minorText === '' ? 0 : Number(minorText);
  if (kind === 'py') return abi === 'none' && wheelMinor <= minor;
  if (kind !== implementation) return false;
  if (abi === 'abi3') return wheelMinor <= minor;
  return wheelMinor === minor || (abi === 'none' && wheelMinor <= minor);
}

// PEP 600: the old names and the C library that they stand for.
const LEGACY: Readonly<Record<string, string>> = {
  manylinux1: 'manylinux_2_5',
  manylinux2010: 'manylinux_2_12',
  manylinux2014: 'manylinux_2_17',
};

interface Platform {
  readonly family: string;
  readonly major: number;
  readonly minor: number;
  readonly machine: string;
}

function fitsPlatform(wheel: string, target: string): boolean {
  if (wheel === target) return true;
  const have = parsePlatform(wheel);
  const want = parsePlatform(target);
  if (have === undefined || want === undefined) return false;
  if (have.family === 'linux') return want.family.endsWith('linux') && have.machine === want.machine;
  if (have.family !== want.family || !fitsMachine(have, want)) return false;
  return have.major < want.major || (have.major === want.major && have.minor <= want.minor);
}

function fitsMachine(have: Platform, want: Platform): boolean {
  if (have.machine === want.machine) return true;
  return have.family === 'macosx' && have.machine === 'universal2' && ['x86_64', 'arm64'].includes(want.machine);
}

function parsePlatform(text: string): Platform | undefined {
  const named = text.replace(/^manylinux(?:1|2010|2014)(?=_)/, (name) => LEGACY[name] ?? name);
  const match = /^(manylinux|musllinux|macosx)_(\d+)_(\d+)_(\w+)$/.exec(named);
  if (match !== null) {
    const [, family = '', major, minor, machine = ''] = match;
    return { family, major: Number(major), minor: Number(minor), machine };
  }
  const linux = /^linux_(\w+)$/.exec(named);
  return linux === null ? undefined : { family: 'linux', major: 0, minor: 0, machine: linux[1] ?? '' };
}
