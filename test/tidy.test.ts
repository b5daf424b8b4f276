// The rules of the house that a machine can check. Each failure says what to do.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KeyNode, rootNode } from '../server/config/keys.ts';
import { PROBLEMS } from '../server/problem.ts';
import { ARROWS, areaOf, PACKAGES, typeArrows } from './support/import-rules.ts';
import { exists, filesBelow, type Import, importsOf, resolveLink, root, textOf } from './support/source-tree.ts';

const everything = filesBelow();
const code = everything.filter((path) => /\.(ts|mjs)$/.test(path));
const program = code.filter((path) => /^(server|storage|cli)\//.test(path));
const imports = program.flatMap(importsOf);
const documents = everything.filter((path) => path.endsWith('.md'));

function none(faults: readonly string[], remedy: string): void {
  assert.ok(faults.length === 0, `${remedy}\n  ${faults.join('\n  ')}`);
}

const linesWith = (path: string, pattern: RegExp): string[] =>
  textOf(path)
    .split('\n')
    .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : []));

describe('code', () => {
  test('no file is longer than 400 lines', () => {
    const long = code.map((path) => ({ path, lines: textOf(path).split('\n').length - 1 }));
    const faults = long.filter(({ lines }) => lines > 400).map(({ path, lines }) => `${path}: ${lines}`);
    none(faults, 'Split these by subject:');
  });

  test('files are named in kebab-case, and no folder is a drawer for whatever', () => {
    const named = code.filter(
      (path) => !/^(\.?[a-z0-9-]+\/)*[a-z0-9-]+(\.(property|fuzz))?(\.test|\.d)?\.(ts|mjs)$/.test(path),
    );
    none(named, 'Rename these:');
    const drawers = code.filter((path) => /(^|\/)(utils?|helpers?|common|misc|lib)\//.test(path));
    none(drawers, 'A helper lives with its subject; move these:');
  });

  test('process.env, process.exit and console are read and called at the edge only', () => {
    const edge = new Set(['server/main.ts', 'server/config/load.ts']);
    const inner = program.filter((path) => !edge.has(path) && !path.startsWith('cli/'));
    const faults = inner.flatMap((path) => linesWith(path, /^(?!\s*(\*|\/\/)).*(\bprocess\.(env|exit)\b|\bconsole\.)/));
    none(faults, 'Pass settings as parameters and the log as a Logger:');
  });

  test('no comment leaves work for later without an issue', () => {
    const words = [
      ['TO', 'DO'],
      ['FIX', 'ME'],
      ['XX', 'X'],
    ].map((parts) => parts.join(''));
    const pattern = new RegExp(`(//|\\*|#).*\\b(${words.join('|')})\\b(?!\\(#\\d+\\))`);
    none(
      code.flatMap((path) => linesWith(path, pattern)),
      'Do it, or name the issue:',
    );
  });

  test('no test runs alone or is left out by hand', () => {
    const tests = code.filter((path) => path.endsWith('.test.ts') && path !== 'test/tidy.test.ts');
    none(
      tests.flatMap((path) => linesWith(path, /\b(test|describe|it)\.(only|skip|todo)\(|\bonly: true\b/)),
      'A test that cannot run here says why with { skip: skipOrFail(reason) }:',
    );
  });
});

describe('imports', () => {
  test('go along the arrows of ARCHITECTURE.md only', () => {
    const faults = imports.flatMap(({ from, to, kind }) => {
      const [a, b] = [areaOf(from), areaOf(to)];
      if (!/^(server|storage|cli)\b/.test(to) || a === b) return [];
      const may = ARROWS[a];
      if (may === undefined) return [`${a} has no row in test/support/import-rules.ts`];
      const all = kind === 'type' ? [...may, ...typeArrows(a)] : may;
      return all.some((arrow) => arrow === b || arrow === to)
        ? []
        : [`${from} imports ${to}${kind === 'type' ? ' (a type)' : ''}`];
    });
    none([...new Set(faults)], 'Move the decision to where it belongs, or add the arrow with an ADR:');
  });

  test('a package is used where it belongs', () => {
    const faults = imports.flatMap(({ from, to }) => {
      if (to.startsWith('node:') || /^(server|storage|cli)\//.test(to)) return [];
      const places = PACKAGES[to];
      if (places === undefined) return [`${from} imports ${to}, which has no row in test/support/import-rules.ts`];
      return places.some((place) => from.startsWith(place)) ? [] : [`${from} imports ${to}`];
    });
    none(faults, 'Reach the package through the part that owns it:');
  });

  test('make no cycle', () => {
    none(cycles(imports.filter(({ kind }) => kind === 'value')), 'Break these cycles:');
  });

  test('no file only passes on what others export', () => {
    const barrels = program.filter((path) => {
      const lines = textOf(path)
        .split('\n')
        .filter((line) => !/^\s*(\/\/|\/?\*|$)/.test(line));
      return lines.length > 0 && lines.every((line) => /^export\b.*\bfrom\b/.test(line));
    });
    none([...barrels, ...program.filter((path) => path.endsWith('/index.ts'))], 'Import from where it is made:');
  });
});

/** Import cycles, each told once. */
function cycles(arrows: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of arrows) next.set(from, [...(next.get(from) ?? []), to]);
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.add([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  return [...found];
}

describe('the whole', () => {
  test('migrations are numbered without gaps', () => {
    const names = everything.filter((path) => /^migrations\/.*\.sql$/.test(path)).map((path) => path.slice(11));
    const faults = names.filter(
      (name, index) => !new RegExp(`^${String(index + 1).padStart(4, '0')}_[a-z0-9_]+\\.sql$`).test(name),
    );
    none(faults, 'The first of these is out of order:');
  });

  test('every problem that callers are promised is thrown somewhere', () => {
    const texts = program
      .filter((path) => path !== 'server/problem.ts')
      .map(textOf)
      .join('\n');
    const faults = Object.keys(PROBLEMS).filter((slug) => !texts.includes(`'${slug}'`));
    none(faults, 'Throw these or take them off the table in server/problem.ts:');
  });

  test('every key of the configuration does something', () => {
    const readers = program.filter((path) => !path.startsWith('server/config/') && !path.startsWith('cli/'));
    const words = new Set(readers.flatMap((path) => textOf(path).split(/\W+/)));
    none(
      leavesOf(rootNode()).filter((path) => !words.has(path.split('.').at(-1) ?? '')),
      'Nothing reads these; wire them or take them out of server/config/:',
    );
  });

  test('no address of a public registry, and none in the lock file', () => {
    const hosts = ['pypi org', 'pythonhosted org', 'npmjs org', 'npmjs com', 'crates io', 'golang org', 'maven org'];
    const pattern = new RegExp(`\\b(${hosts.map((host) => host.replace(' ', '\\.')).join('|')})\\b`, 'i');
    none(
      everything.filter(isText).flatMap((path) => linesWith(path, pattern)),
      'Use a host that ends in .example:',
    );
    assert.doesNotMatch(textOf('package-lock.json'), /"resolved":/, 'Run: node scripts/complete-lock.mjs');
  });

  test('every dependency is weighed in an ADR', () => {
    const { dependencies, devDependencies } = JSON.parse(textOf('package.json')) as Record<string, object>;
    const adrs = documents
      .filter((path) => path.startsWith('docs/adr/'))
      .map(textOf)
      .join('\n');
    const names = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !name.startsWith('@types/'));
    none(
      names.filter((name) => !adrs.includes(`\`${name}\``)),
      'Say what it does and what it costs in docs/adr/:',
    );
  });
});

/** The paths of all keys that hold a value. */
function leavesOf(node: KeyNode, path = ''): string[] {
  const children = [node, ...(node.oneOf ?? [])].flatMap((branch) => Object.entries(branch.properties ?? {}));
  const entries = [node.additionalProperties, node.items].filter((one) => typeof one === 'object');
  const below = [
    ...children.flatMap(([key, child]) => leavesOf(child, path === '' ? key : `${path}.${key}`)),
    ...entries.flatMap((one) => leavesOf(one, path)),
  ];
  return below.length > 0 ? [...new Set(below)] : [path];
}

describe('documents', () => {
  test('links lead somewhere', () => {
    const faults = documents.flatMap((path) =>
      [...textOf(path).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)/g)].flatMap(([, link = '']) =>
        exists(resolveLink(path, link)) ? [] : [`${path}: ${link}`],
      ),
    );
    none(faults, 'These links lead nowhere:');
  });

  test('name no place on the machine of whoever wrote them', () => {
    const pattern = /(?<![\w.$~-])\/(root|work)\//;
    const files = everything.filter((path) => isText(path) && path !== 'test/tidy.test.ts');
    none(
      files.flatMap((path) => linesWith(path, pattern)),
      `Not everybody has ${root}:`,
    );
  });

  test('each change is told in the form of the template', () => {
    const changes = documents.filter((path) => path.startsWith('docs/changes/unreleased/'));
    const faults = changes.filter((path) => !/^(Added|Changed|Fixed|Removed|Security): .+\n\n\S/.test(textOf(path)));
    none(faults, 'See docs/changes/TEMPLATE.md:');
  });
});

function isText(path: string): boolean {
  return /\.(ts|mjs|json|md|sql|html|css|ya?ml|toml|txt|sh|xml|eta|service|conf|py|cfg)$|(^|\/)(run|LICENSE|Dockerfile|\.[a-z]+)$/.test(
    path,
  );
}
