import { Parser } from 'htmlparser2';
import { isObject, readJson } from '../model/json.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { PageFormatError } from './page-format-error.ts';
import { MAX_DEPTH } from './parsed-page.ts';

// Ours: text beyond that is no name.
const MAX_TEXT = 256;

/**
 * The projects that an index lists (PEP 503, 691), normalised, each once, in the order of their names. What is no name of a project is left
 * out. Throws `PageFormatError` when the bytes are no such list.
 */
export function parseProjectList(contentType: string, body: Buffer): readonly ProjectName[] {
  const texts = contentType.endsWith('json') ? namesInJson(body) : namesInHtml(body.toString('utf8'));
  const names = new Set<ProjectName>();
  for (const text of texts) {
    const name = projectName(text.trim().replace(/\/$/, ''));
    if (name !== undefined) names.add(name);
  }
  return [...names].sort();
}

function namesInJson(body: Buffer): readonly string[] {
  const list = readJson(body);
  if (list === undefined) throw new PageFormatError('it is not JSON');
  if (!isObject(list) || !Array.isArray(list.projects)) throw new PageFormatError('it has no list of projects');
  return list.projects.flatMap((entry: unknown) =>
    isObject(entry) && typeof entry.name === 'string' ? [entry.name] : [],
  );
}

/** Texts of the links: PEP 503 has the name there, and addresses are spelt in many ways. */
function namesInHtml(html: string): readonly string[] {
  const names: string[] = [];
  let words: string | undefined;
  let hasHead = false;
  let depth = 0;
  const parser = new Parser(
    {
      onopentag(name) {
        depth += 1;
        if (depth > MAX_DEPTH) throw new PageFormatError('its elements are nested too deeply');
        if (name === 'a') words = '';
        else if (name === 'html' || name === 'title') hasHead = true;
      },
      ontext(piece) {
        if (words !== undefined && words.length < MAX_TEXT) words += piece;
      },
      onclosetag(name) {
        depth -= 1;
        if (name !== 'a' || words === undefined) return;
        names.push(words);
        words = undefined;
      },
    },
    { decodeEntities: true },
  );
  parser.end(html);
  if (names.length === 0 && !hasHead) throw new PageFormatError('it is no list of projects');
  return names;
}
