import type { Spooled } from '../../storage/blob-store.ts';
import { type Filename, parseWheelFilename, safeFilename } from '../model/filename.ts';
import { type ProjectName, parseProjectName, projectName } from '../model/project-name.ts';
import { parseVersion, versionKey } from '../model/version.ts';
import { Problem } from '../problem.ts';
import type { UploadRules } from './upload-rules.ts';

/** The fields of an upload form, each with all its values in order. */
export type FormFields = ReadonlyMap<string, readonly string[]>;

/** What the form and the file's name say, agreed with each other. The archive is still to be asked. */
export interface Claims {
  readonly project: ProjectName;
  readonly filename: Filename;
  readonly kind: 'wheel' | 'sdist';
  /** How an archive of this name is to be read. */
  readonly format: 'zip' | 'tar.gz';
  /** Normalised, by the file's name. */
  readonly version: string;
}

/**
 * Everything that can be checked without looking into the file. Throws `malformed-request`, `invalid-project-name`,
 * `invalid-filename`, `metadata-mismatch`, `not-accepted`.
 */
export function checkForm(fields: FormFields, filename: string, rules: UploadRules): Claims {
  checkAction(fields);
  checkProtocol(fields);
  const project = parseProjectName(required(fields, 'name'));
  const name = checkFilename(filename);
  const file = name.endsWith('.whl')
    ? checkWheelName(name, fields, rules)
    : checkSdistName(name, project, fields, rules);
  if (file.project !== project) {
    throw new Problem('metadata-mismatch', `The form names the project ${project}, the file name ${file.project}.`);
  }
  checkVersion(fields, file.version, rules);
  return { project, filename: name, kind: file.kind, format: file.format, version: file.version };
}

/**
 * Every digest that was sent is that of the file (hexadecimal, upper case allowed). `extra` holds those beside sha256, computed from
 * the same bytes. Throws `malformed-request`, `digest-mismatch`.
 */
export function checkDigests(
  fields: FormFields,
  spooled: Spooled,
  extra: Readonly<Partial<Record<'md5' | 'blake2b-256', string>>>,
): void {
  const actual = { sha256_digest: spooled.digest, md5_digest: extra.md5, blake2_256_digest: extra['blake2b-256'] };
  for (const [field, digest] of Object.entries(actual)) {
    const sent = single(fields, field)?.toLowerCase();
    if (sent === undefined) continue;
    if (digest === undefined) throw new Error(`${field} was sent and not computed`);
    if (!/^[0-9a-f]+$/.test(sent) || sent.length !== digest.length) {
      throw new Problem('malformed-request', `${field} is not ${digest.length} hexadecimal digits.`);
    }
    if (sent !== digest) {
      throw new Problem('digest-mismatch', `The file that arrived does not have the ${field} that the form gives.`);
    }
  }
}

/** Digests that the form gives beside sha256; those fields that have come so far. */
export function announcedHashes(fields: FormFields): readonly ('md5' | 'blake2b-256')[] {
  const announced: ('md5' | 'blake2b-256')[] = [];
  if (fields.has('md5_digest')) announced.push('md5');
  if (fields.has('blake2_256_digest')) announced.push('blake2b-256');
  return announced;
}

/** The one value of a field. Empty and `UNKNOWN` count as absent, as at the public index. Throws `malformed-request` for two that differ. */
function single(fields: FormFields, name: string): string | undefined {
  const values = new Set((fields.get(name) ?? []).map((value) => value.replaceAll('\0', '').trim()));
  values.delete('');
  values.delete('UNKNOWN');
  if (values.size > 1) throw new Problem('malformed-request', `The form gives the field ${name} more than once.`);
  return [...values][0];
}

function required(fields: FormFields, name: string): string {
  const value = single(fields, name);
  if (value === undefined) throw new Problem('malformed-request', `The form has no field ${name}.`);
  return value;
}

function checkAction(fields: FormFields): void {
  const action = single(fields, ':action') ?? 'file_upload';
  if (action !== 'file_upload') throw new Problem('not-accepted', 'Only the action file_upload is understood here.');
}

function checkProtocol(fields: FormFields): void {
  const version = single(fields, 'protocol_version') ?? '1';
  if (version !== '1') throw new Problem('not-accepted', 'Only protocol version 1 is understood here.');
}

function checkFilename(filename: string): Filename {
  const name = safeFilename(filename);
  if (name === undefined || /[^\x21-\x7e]/.test(name)) {
    throw new Problem('invalid-filename', 'A file name is one path segment of printable ASCII without blanks.');
  }
  return name;
}

type FileClaims = Pick<Claims, 'project' | 'kind' | 'format' | 'version'>;

function checkWheelName(filename: Filename, fields: FormFields, rules: UploadRules): FileClaims {
  const wheel = parseWheelFilename(filename);
  if (wheel === undefined) {
    throw new Problem(
      'invalid-filename',
      `${filename} is not a wheel's name: NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl with a version by PEP 440.`,
    );
  }
  checkFiletype(fields, 'bdist_wheel', filename);
  const python = single(fields, 'pyversion');
  if (python !== undefined && python.toLowerCase() !== wheel.pythonTag.toLowerCase()) {
    throw new Problem(
      'metadata-mismatch',
      `The form gives pyversion ${quoted(python)}, the file name ${wheel.pythonTag}.`,
    );
  }
  if (!rules.linuxPlatformTags && wheel.platformTag.split('.').some((tag) => tag.startsWith('linux_'))) {
    throw new Problem('not-accepted', `Wheels for ${wheel.platformTag} are not taken here; build a manylinux wheel.`);
  }
  return { project: wheel.project, kind: 'wheel', format: 'zip', version: wheel.version };
}

function checkSdistName(filename: Filename, project: ProjectName, fields: FormFields, rules: UploadRules): FileClaims {
  const suffix = /\.(?:tar\.gz|tgz|zip)$/.exec(filename)?.[0];
  if (suffix === undefined) {
    throw new Problem('not-accepted', 'Files ending in .whl, .tar.gz, .tgz or .zip are taken here.');
  }
  if (suffix === '.zip' && !rules.zipSdists)
    throw new Problem('not-accepted', 'Sdists that are zip archives are not taken here.');
  const version = sdistVersion(filename.slice(0, -suffix.length), project);
  if (version === undefined) {
    throw new Problem(
      'invalid-filename',
      `${filename} is not PROJECT-VERSION${suffix} with the project ${project} and a version by PEP 440.`,
    );
  }
  checkFiletype(fields, 'sdist', filename);
  const python = single(fields, 'pyversion');
  if (python !== undefined && python !== 'source') {
    throw new Problem('metadata-mismatch', "The pyversion of an sdist is 'source'.");
  }
  const strict = `${project.replaceAll('-', '_')}-${version}.tar.gz`;
  if (!rules.oldSdistNames && filename !== strict) {
    throw new Problem('invalid-filename', `By PEP 625 this sdist's name is ${strict}.`);
  }
  return { project, kind: 'sdist', format: suffix === '.zip' ? 'zip' : 'tar.gz', version };
}

/** The version in an sdist's name, old names included: the project is known, and its name may have hyphens in it. */
function sdistVersion(stem: string, project: ProjectName): string | undefined {
  for (let at = stem.indexOf('-'); at !== -1; at = stem.indexOf('-', at + 1)) {
    if (projectName(stem.slice(0, at)) !== project) continue;
    const version = parseVersion(stem.slice(at + 1));
    if (version !== undefined) return version.text;
  }
  return undefined;
}

function checkFiletype(fields: FormFields, expected: string, filename: string): void {
  const filetype = required(fields, 'filetype');
  if (filetype === expected) return;
  throw new Problem(
    'metadata-mismatch',
    `The form gives filetype ${quoted(filetype)}, but ${filename} is a ${expected}.`,
  );
}

function checkVersion(fields: FormFields, version: string, rules: UploadRules): void {
  const sent = parseVersion(required(fields, 'version'));
  if (sent === undefined) throw new Problem('invalid-metadata', 'The version in the form does not follow PEP 440.');
  if (sent.key !== versionKey(version)) {
    throw new Problem('metadata-mismatch', `The form gives version ${sent.text}, the file name ${version}.`);
  }
  if (!rules.localVersions && sent.local !== undefined) {
    throw new Problem('not-accepted', `Versions with a local label, such as ${sent.text}, are not taken here.`);
  }
}

/** What was sent, for a sentence: printable and not long. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);
}
