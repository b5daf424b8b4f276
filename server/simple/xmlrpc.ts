import { Parser } from 'htmlparser2';
import { escapeHtml } from './escape.ts';

/** What `pip search` asks for: every text of any field is a substring to look for. */
export interface SearchCall {
  readonly name: readonly string[];
  readonly summary: readonly string[];
  /** Must all fields match, or one? */
  readonly operator: 'and' | 'or';
}

/** A project that was found. */
export interface SearchHit {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
}

/** The call cannot be answered; `code` as XML-RPC servers commonly use it. */
export class XmlRpcFault extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'XmlRpcFault';
    this.code = code;
  }
}

type Value = string | readonly Value[] | { readonly [key: string]: Value };

// Ours: a search has a handful of values.
const MAX_VALUES = 1000;
const MAX_DEPTH = 16;
const MAX_TEXT = 10_000;

/**
 * Reads a call of `search`. No document type or entity is looked at. Throws `XmlRpcFault`: -32700 when it is no call, -32601 for another
 * method, -32602 for arguments of another kind. The caller bounds the body.
 */
export function parseSearchCall(body: Buffer): SearchCall {
  const { method, values } = parseCall(body.toString('utf8'));
  if (method === '') throw new XmlRpcFault(-32700, 'not a method call');
  if (method !== 'search') throw new XmlRpcFault(-32601, 'only the method search is known here');
  const [spec, operator] = values;
  if (typeof spec !== 'object' || Array.isArray(spec)) throw new XmlRpcFault(-32602, 'search needs a struct of fields');
  const fields = new Map(Object.entries(spec));
  return {
    name: textsOf(fields.get('name')),
    summary: textsOf(fields.get('summary')),
    operator: operator === 'or' ? 'or' : 'and',
  };
}

function textsOf(value: Value | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

interface Frame {
  readonly kind: 'value' | 'array' | 'struct';
  readonly items: Value[];
  readonly members: Record<string, Value>;
  text: string;
  value?: Value;
  member: string;
}

function parseCall(text: string): { method: string; values: readonly Value[] } {
  const values: Value[] = [];
  const frames: Frame[] = [];
  let count = 0;
  let method = '';
  let words = '';
  const push = (kind: Frame['kind']): void => {
    count += 1;
    if (count > MAX_VALUES || frames.length >= MAX_DEPTH) throw new XmlRpcFault(-32602, 'too many values');
    frames.push({ kind, items: [], members: {}, text: '', member: '' });
  };
  const give = (value: Value): void => {
    const parent = frames.at(-1);
    if (parent === undefined) values.push(value);
    else if (parent.kind === 'array') parent.items.push(value);
    else if (parent.kind === 'value') parent.value = value;
    else Object.defineProperty(parent.members, parent.member, { value, enumerable: true, configurable: true });
  };
  const parser = new Parser(
    {
      onopentag(name) {
        words = '';
        if (name === 'value' || name === 'array' || name === 'struct') push(name);
      },
      ontext(piece) {
        if (words.length < MAX_TEXT) words += piece;
      },
      onclosetag(name) {
        const frame = frames.at(-1);
        if (name === 'methodName') method = words.trim();
        else if (name === 'name' && frame?.kind === 'struct') frame.member = words;
        else if (name === 'string' && frame?.kind === 'value') frame.value = words;
        else if (name === frame?.kind) {
          frames.pop();
          give(frame.kind === 'value' ? (frame.value ?? words) : frame.kind === 'array' ? frame.items : frame.members);
        }
        words = '';
      },
    },
    { xmlMode: true, decodeEntities: true },
  );
  parser.end(text);
  return { method, values };
}

/** The answer to `search`: an array of structs, in the order given. */
export function renderSearchResult(hits: readonly SearchHit[]): string {
  const structs = hits.map((hit) => {
    const members = (['name', 'version', 'summary'] as const).map(
      (key) => `<member><name>${key}</name><value><string>${escapeXml(hit[key])}</string></value></member>`,
    );
    return `<value><struct>${members.join('')}</struct></value>`;
  });
  return `<?xml version="1.0"?>\n<methodResponse><params><param><value><array><data>${structs.join('\n')}</data></array></value></param></params></methodResponse>\n`;
}

/** A fault, to be sent with status 200 as XML-RPC has it. */
export function renderFault(fault: XmlRpcFault): string {
  return `<?xml version="1.0"?>\n<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>${fault.code}</int></value></member><member><name>faultString</name><value><string>${escapeXml(fault.message)}</string></value></member></struct></value></fault></methodResponse>\n`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML allows none of them, escaped or not
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

function escapeXml(text: string): string {
  return escapeHtml(text.toWellFormed().replace(NOT_XML, '\ufffd'));
}
