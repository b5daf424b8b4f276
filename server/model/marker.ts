/** One side of a comparison in a marker. */
type MarkerOperand =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'text'; readonly text: string };

/** An environment marker (PEP 508). `and` binds before `or`; groups are kept as nesting only. */
export type Marker =
  | {
      readonly kind: 'compare';
      readonly left: MarkerOperand;
      readonly operator: string;
      readonly right: MarkerOperand;
    }
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Marker[] };

/** `text` does not follow PEP 508. */
export class RequirementSyntaxError extends Error {
  /** Where in the text, counted from 0. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.name = 'RequirementSyntaxError';
    this.at = at;
  }
}

const VARIABLES = new Set([
  'python_version',
  'python_full_version',
  'os_name',
  'sys_platform',
  'platform_release',
  'platform_system',
  'platform_version',
  'platform_machine',
  'platform_python_implementation',
  'implementation_name',
  'implementation_version',
  'extra',
  'extras',
  'dependency_groups',
]);

// Names of before PEP 508 that old metadata still has.
const OLD_NAMES: Readonly<Record<string, string>> = {
  'os.name': 'os_name',
  'sys.platform': 'sys_platform',
  'platform.version': 'platform_version',
  'platform.machine': 'platform_machine',
  'platform.python_implementation': 'platform_python_implementation',
  python_implementation: 'platform_python_implementation',
};

// Ours, so that no text exhausts the stack.
const MAX_DEPTH = 64;

/** The marker that is all of `text` from `start` on. Throws `RequirementSyntaxError`. */
export function parseMarker(text: string, start = 0): Marker {
  const state: State = { text, at: start, depth: 0 };
  const marker = parseOr(state);
  skipBlanks(state);
  if (state.at < text.length)
    throw new RequirementSyntaxError('expected the end of the marker, or "and" or "or"', state.at);
  return marker;
}

interface State {
  readonly text: string;
  at: number;
  depth: number;
}

function skipBlanks(state: State): void {
  while (state.text[state.at] === ' ' || state.text[state.at] === '\t') state.at += 1;
}

/** The match of a sticky pattern at the present place, which is then left behind. */
function take(state: State, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = state.at;
  const match = pattern.exec(state.text);
  if (match === null) return undefined;
  state.at = pattern.lastIndex;
  return match;
}

function parseOr(state: State): Marker {
  return parseChain(state, { kind: 'or', word: /or\b/y, next: (inner) => parseChain(inner, AND) });
}

interface Chain {
  readonly kind: 'and' | 'or';
  readonly word: RegExp;
  next(state: State): Marker;
}

const AND: Chain = { kind: 'and', word: /and\b/y, next: parseAtom };

function parseChain(state: State, chain: Chain): Marker {
  const parts: Marker[] = [];
  for (;;) {
    const part = chain.next(state);
    if (part.kind === chain.kind) parts.push(...part.parts);
    else parts.push(part);
    skipBlanks(state);
    if (take(state, chain.word) === undefined) break;
  }
  const [only] = parts;
  return only !== undefined && parts.length === 1 ? only : { kind: chain.kind, parts };
}

function parseAtom(state: State): Marker {
  skipBlanks(state);
  if (state.text[state.at] === '(') {
    if (state.depth >= MAX_DEPTH) throw new RequirementSyntaxError('brackets are nested too deeply', state.at);
    state.depth += 1;
    state.at += 1;
    const inner = parseOr(state);
    skipBlanks(state);
    if (state.text[state.at] !== ')') throw new RequirementSyntaxError('expected ")"', state.at);
    state.at += 1;
    state.depth -= 1;
    return inner;
  }
  const left = parseOperand(state);
  skipBlanks(state);
  const operator = parseOperator(state);
  return { kind: 'compare', left, operator, right: parseOperand(state) };
}

function parseOperator(state: State): string {
  const symbol = take(state, /===|==|~=|!=|<=|>=|<|>/y) ?? take(state, /in\b/y);
  if (symbol !== undefined) return symbol[0];
  if (take(state, /not[ \t]+in\b/y) !== undefined) return 'not in';
  throw new RequirementSyntaxError('expected a comparison', state.at);
}

function parseOperand(state: State): MarkerOperand {
  skipBlanks(state);
  const quoted = take(state, /'([^']*)'|"([^"]*)"/y);
  if (quoted !== undefined) return { kind: 'text', text: quoted[1] ?? quoted[2] ?? '' };
  const start = state.at;
  const word = take(state, /[a-z][a-z_.]*/y)?.[0];
  const name = word === undefined ? undefined : Object.hasOwn(OLD_NAMES, word) ? OLD_NAMES[word] : word;
  if (name !== undefined && VARIABLES.has(name)) return { kind: 'variable', name };
  throw new RequirementSyntaxError('expected a marker variable or a quoted text', start);
}
