import { type CoreMetadata, parseCoreMetadata } from '../model/core-metadata.ts';
import { projectName } from '../model/project-name.ts';
import { parseVersion, versionKey } from '../model/version.ts';
import { Problem } from '../problem.ts';
import type { Claims } from './check-form.ts';
import type { UploadRules } from './upload-rules.ts';

// What PyPI lets a classifier begin with, by the public list.
const CLASSIFIER_TOPICS = new Set([
  'Development Status',
  'Environment',
  'Framework',
  'Intended Audience',
  'License',
  'Natural Language',
  'Operating System',
  'Programming Language',
  'Topic',
  'Typing',
]);
// PEP 440: clauses of an operator and a version, separated by commas. Lenient about the versions: old ones end in `.*` where they may not.
const SPECIFIERS = /^\s*(?:(?:~=|===?|!=|<=?|>=?)\s*[^\s,;<>=!~]+\s*,?\s*)*$/;
const MAX_SPECIFIER_LENGTH = 1000;

/**
 * The core metadata of an uploaded file: they parse, say one thing, and agree with the form and the file's name. Throws
 * `invalid-metadata`, `metadata-mismatch`, `not-accepted`.
 */
export function checkMetadata(bytes: Buffer, claims: Claims, rules: UploadRules): CoreMetadata {
  checkHeaders(bytes);
  const metadata = parseCoreMetadata(bytes);
  checkMetadataVersion(metadata);
  checkIdentity(metadata, claims);
  checkRequiresPython(metadata);
  checkRequirements(metadata, rules);
  checkClassifiers(metadata, rules);
  return metadata;
}

/** What may stand once stands once: of two, one reader would take the first and another the last. */
function checkHeaders(bytes: Buffer): void {
  const text = bytes.toString('latin1');
  const end = /\r?\n\r?\n/.exec(text)?.index ?? text.length;
  const seen = new Set<string>();
  for (const [, name = ''] of text
    .slice(0, end)
    .matchAll(/^(metadata-version|name|version|requires-python)[ \t]*:/gim)) {
    if (seen.has(name.toLowerCase())) throw new Problem('invalid-metadata', `The field ${name} stands there twice.`);
    seen.add(name.toLowerCase());
  }
}

function checkMetadataVersion({ metadataVersion }: CoreMetadata): void {
  if (metadataVersion === undefined) throw new Problem('invalid-metadata', 'There is no field Metadata-Version.');
  if (!/^(?:1\.[0-2]|2\.[0-9]{1,2})$/.test(metadataVersion)) {
    throw new Problem('invalid-metadata', 'The field Metadata-Version is none of 1.0 to 2.x.');
  }
}

function checkIdentity(metadata: CoreMetadata, claims: Claims): void {
  if (metadata.name === undefined) throw new Problem('invalid-metadata', 'There is no field Name.');
  const name = projectName(metadata.name);
  if (name === undefined)
    throw new Problem('invalid-metadata', 'The field Name is not a valid project name (PEP 508).');
  if (name !== claims.project) {
    throw new Problem('metadata-mismatch', `The file's own metadata name the project ${name}, not ${claims.project}.`);
  }
  if (metadata.version === undefined) throw new Problem('invalid-metadata', 'There is no field Version.');
  const version = parseVersion(metadata.version);
  if (version === undefined) throw new Problem('invalid-metadata', 'The field Version does not follow PEP 440.');
  if (version.key !== versionKey(claims.version)) {
    throw new Problem(
      'metadata-mismatch',
      `The file's own metadata give version ${version.text}, not ${claims.version}.`,
    );
  }
}

function checkRequiresPython({ requiresPython }: CoreMetadata): void {
  if (requiresPython === undefined) return;
  // One bad specifier makes some installers refuse the whole project page.
  if (requiresPython.length > MAX_SPECIFIER_LENGTH || !SPECIFIERS.test(requiresPython)) {
    throw new Problem(
      'invalid-metadata',
      'The field Requires-Python is not a version specifier (PEP 440), such as >=3.9.',
    );
  }
}

function checkRequirements({ requiresDist }: CoreMetadata, rules: UploadRules): void {
  if (rules.directUrlDependencies) return;
  const direct = requiresDist.find((requirement) => /^[^;]*@/.test(requirement));
  if (direct !== undefined) {
    throw new Problem('not-accepted', 'Files that depend on an address (name @ https://...) are not taken here.');
  }
}

function checkClassifiers({ classifiers }: CoreMetadata, rules: UploadRules): void {
  if (rules.unknownClassifiers) return;
  const unknown = classifiers.find((classifier) => !CLASSIFIER_TOPICS.has(classifier.split(' :: ')[0] ?? ''));
  if (unknown !== undefined)
    throw new Problem('not-accepted', 'The metadata have a classifier that is not on the public list.');
}
