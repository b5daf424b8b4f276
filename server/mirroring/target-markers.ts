import { type Marker, parseMarker, RequirementSyntaxError } from '../model/marker.ts';
import { compareVersions, parseVersion } from '../model/version.ts';
import type { Target } from './targets.ts';

type Environment = Readonly<Record<string, string>>;

/**
 * May an entry with this marker (PEP 508) be installed on one of the targets? What a target does not tell (extras, the kernel's version)
 * counts as fulfilled. Without targets, and for a marker that cannot be read, yes.
 */
export function markerMayApply(marker: string | undefined, targets: readonly Target[]): boolean {
  if (marker === undefined || targets.length === 0) return true;
  try {
    const tree = parseMarker(marker);
    return targets.some((target) => mayHold(tree, environmentOf(target)));
  } catch (error) {
    if (error instanceof RequirementSyntaxError) return true;
    throw error;
  }
}

/** May the marker hold where no extra is asked for? `extras`: those that are. */
export function markerMayHold(
  marker: Marker,
  { target, extras }: { readonly target?: Target | undefined; readonly extras: readonly string[] },
): boolean {
  const environment = target === undefined ? {} : environmentOf(target);
  return (extras.length === 0 ? [''] : extras).some((extra) => mayHold(marker, { ...environment, extra }));
}

function mayHold(marker: Marker, environment: Environment): boolean {
  if (marker.kind !== 'compare') {
    return marker.kind === 'and'
      ? marker.parts.every((part) => mayHold(part, environment))
      : marker.parts.some((part) => mayHold(part, environment));
  }
  const sides = [marker.left, marker.right];
  const [left, right] = sides.map((side) => (side.kind === 'text' ? side.text : environment[side.name]));
  if (left === undefined || right === undefined) return true;
  const isExtra = sides.some((side) => side.kind === 'variable' && side.name === 'extra');
  return isExtra ? compares(marker.operator, normal(left), normal(right)) : compares(marker.operator, left, right);
}

function normal(extra: string): string {
  return extra.toLowerCase().replace(/[-_.]+/g, '-');
}

function compares(operator: string, left: string, right: string): boolean {
  if (operator === 'in') return right.includes(left);
  if (operator === 'not in') return !right.includes(left);
  if (operator === '===') return left === right;
  const prefix = /^(.+)\.\*$/.exec(right)?.[1];
  if (prefix !== undefined) return `${left}.`.startsWith(`${prefix}.`) === (operator !== '!=');
  const areVersions = parseVersion(left) !== undefined && parseVersion(right) !== undefined;
  const order = areVersions ? versionOrder(left, right) : left < right ? -1 : left > right ? 1 : 0;
  switch (operator) {
    case '==':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case '~=':
      return order >= 0 && `${left}.`.startsWith(`${right.split('.').slice(0, -1).join('.')}.`);
    default:
      return true;
  }
}

function versionOrder(left: string, right: string): number {
  return parseVersion(left)?.key === parseVersion(right)?.key ? 0 : compareVersions(left, right);
}

const SYSTEMS = [
  [/^(?:manylinux|musllinux|linux)/, { os_name: 'posix', sys_platform: 'linux', platform_system: 'Linux' }],
  [/^macosx/, { os_name: 'posix', sys_platform: 'darwin', platform_system: 'Darwin' }],
  [/^win/, { os_name: 'nt', sys_platform: 'win32', platform_system: 'Windows' }],
] as const;

const IMPLEMENTATIONS: Readonly<Record<string, readonly [string, string]>> = {
  cp: ['cpython', 'CPython'],
  pp: ['pypy', 'PyPy'],
};

/** What a target tells of the environment. `python_full_version` is not told: a tag has no third number. */
function environmentOf({ implementation, major, minor, platform }: Target): Environment {
  const system = SYSTEMS.find(([pattern]) => pattern.test(platform))?.[1] ?? {};
  const names = IMPLEMENTATIONS[implementation];
  const machine = machineOf(platform);
  return {
    ...system,
    python_version: `${major}.${minor}`,
    ...(machine === undefined ? {} : { platform_machine: machine }),
    ...(names === undefined ? {} : { implementation_name: names[0], platform_python_implementation: names[1] }),
  };
}

/** As Python's `platform.machine()` has it. */
function machineOf(platform: string): string | undefined {
  if (platform === 'win_amd64') return 'AMD64';
  if (platform === 'win_arm64') return 'ARM64';
  if (platform === 'win32') return 'x86';
  return /^(?:(?:many|musl)linux_\d+_\d+|manylinux\d+|linux|macosx_\d+_\d+)_(\w+)$/.exec(platform)?.[1];
}
