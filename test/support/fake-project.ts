import { type BuiltFile, sha256Of } from './wheel.ts';

/** How a file is listed and served, where that is not as a well-kept index does it. */
export interface Listing {
  /** RFC 3339; `null` leaves it out. Only JSON tells it. */
  readonly uploadTime?: string | null;
  readonly yanked?: true | string;
  /**
   * `hashed` (of wheels, unless told): announced with its hash and served; `true`: announced without a hash; `served`: there but not
   * announced; `missing`: announced, but 404; `none`.
   */
  readonly coreMetadata?: 'hashed' | 'true' | 'served' | 'missing' | 'none';
  readonly provenance?: boolean;
  /** Instead of `{ sha256 }`; `false`: no hash at all. */
  readonly hashes?: Readonly<Record<string, string>> | false;
  /** Bytes that the JSON page tells; `false`: none. */
  readonly size?: number | false;
  readonly requiresPython?: string;
  /** Instead of the file's own name and address on the page; any text. */
  readonly filename?: string;
  readonly url?: string;
  /** Sent instead of the file's own bytes. */
  readonly bytes?: Buffer;
  /** Further keys of the file in JSON, any value. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

interface Listed extends Listing {
  readonly file: BuiltFile;
}

/** A project page as it was at some moment, in both formats. */
export interface PageSnapshot {
  readonly json: string;
  readonly html: string;
  readonly serial: number;
}

/** How an index writes the links of its pages. */
export interface PageStyle {
  /** Before a file's name: an absolute address or a path relative to the page. */
  readonly filesAt: string;
  readonly provenanceAt: string;
  /** `<base href>` of HTML pages. */
  readonly base?: string;
  readonly serials: boolean;
}

/** A project of the fake upstream. Each change raises its serial. */
export class FakeProject {
  readonly name: string;
  serial = 1;
  /** The page answers 404. */
  gone = false;
  /** PEP 792. */
  status: string | undefined;
  statusReason: string | undefined;
  /** Further keys of the JSON page, any value. */
  extra: Readonly<Record<string, unknown>> = {};
  readonly #listed = new Map<string, Listed>();
  readonly #style: PageStyle;

  constructor(name: string, style: PageStyle) {
    this.name = name;
    this.#style = style;
  }

  /** Lists and serves the file; once more to change how. */
  add(file: BuiltFile, listing: Listing = {}): this {
    this.#listed.set(file.filename, { ...listing, file });
    this.serial += 1;
    return this;
  }

  /** Takes the file off the page and off the server. */
  remove(filename: string): void {
    if (this.#listed.delete(filename)) this.serial += 1;
  }

  /** Takes every file of a version away, as a deleted release. */
  deleteRelease(version: string): void {
    for (const { file } of [...this.#listed.values()]) if (file.version === version) this.remove(file.filename);
  }

  /** Marks the project, PEP 792; `quarantined` empties the page as the public index does. */
  mark(status: string | undefined, reason?: string): void {
    this.status = status;
    this.statusReason = reason;
    this.serial += 1;
  }

  /** The body at a file's path, or at `<path>.metadata`. */
  content(filename: string): Buffer | undefined {
    const exact = this.#listed.get(filename);
    if (exact) return exact.bytes ?? exact.file.bytes;
    const wheel = filename.endsWith('.metadata') ? this.#listed.get(filename.slice(0, -9)) : undefined;
    const kind = wheel && metadataKind(wheel);
    return kind === 'none' || kind === 'missing' ? undefined : wheel?.file.metadata;
  }

  /** The provenance object of a file, when it is listed with one. */
  provenance(filename: string): string | undefined {
    const listed = this.#listed.get(filename);
    if (listed?.provenance !== true) return undefined;
    return JSON.stringify({
      version: 1,
      attestation_bundles: [],
      subject: { name: filename, sha256: listed.file.sha256 },
    });
  }

  snapshot(): PageSnapshot {
    return { json: this.#json(), html: this.#html(), serial: this.serial };
  }

  #shown(): readonly Listed[] {
    return this.status === 'quarantined' ? [] : [...this.#listed.values()];
  }

  #json(): string {
    const versions = [...new Set(this.#shown().map((listed) => listed.file.version))];
    const status = this.status && {
      'project-status': { status: this.status, ...(this.statusReason ? { reason: this.statusReason } : {}) },
    };
    return JSON.stringify({
      meta: { 'api-version': '1.4', ...(this.#style.serials ? { '_last-serial': this.serial } : {}) },
      name: this.name,
      versions,
      ...status,
      ...this.extra,
      files: this.#shown().map((listed) => this.#jsonFile(listed)),
    });
  }

  #jsonFile(listed: Listed): Record<string, unknown> {
    const kind = metadataKind(listed);
    const requires = listed.requiresPython ?? listed.file.requiresPython;
    const announced = kind === 'hashed' ? { sha256: sha256Of(listed.file.metadata) } : true;
    return {
      filename: listed.filename ?? listed.file.filename,
      url: this.#url(listed),
      hashes: hashesOf(listed),
      ...(listed.size === false ? {} : { size: listed.size ?? listed.file.bytes.length }),
      ...(listed.uploadTime === null ? {} : { 'upload-time': listed.uploadTime ?? '2024-01-01T00:00:00.000000Z' }),
      ...(requires === undefined ? {} : { 'requires-python': requires }),
      yanked: listed.yanked ?? false,
      ...(kind === 'none' || kind === 'served' ? {} : { 'core-metadata': announced }),
      ...(listed.provenance ? { provenance: this.#provenanceUrl(listed) } : {}),
      ...listed.extra,
    };
  }

  #html(): string {
    const { base } = this.#style;
    const head = [
      '<meta name="pypi:repository-version" content="1.4">',
      ...(this.status ? [`<meta name="pypi:project-status" content="${quoted(this.status)}">`] : []),
      ...(this.statusReason ? [`<meta name="pypi:project-status-reason" content="${quoted(this.statusReason)}">`] : []),
      ...(base ? [`<base href="${quoted(base)}">`] : []),
      `<title>Links for ${quoted(this.name)}</title>`,
    ];
    const lines = this.#shown().map((listed) => this.#anchor(listed));
    return `<!DOCTYPE html>\n<html><head>\n${head.join('\n')}\n</head><body>\n${lines.join('\n')}\n</body></html>\n`;
  }

  #anchor(listed: Listed): string {
    const kind = metadataKind(listed);
    const requires = listed.requiresPython ?? listed.file.requiresPython;
    const [hash] = Object.entries(hashesOf(listed));
    const announced = kind === 'hashed' ? `sha256=${sha256Of(listed.file.metadata)}` : 'true';
    const attributes = [
      `href="${quoted(this.#url(listed) + (hash ? `#${hash[0]}=${hash[1]}` : ''))}"`,
      ...(requires === undefined ? [] : [`data-requires-python="${quoted(requires)}"`]),
      ...(listed.yanked === undefined ? [] : [`data-yanked="${listed.yanked === true ? '' : quoted(listed.yanked)}"`]),
      ...(kind === 'none' || kind === 'served' ? [] : [`data-core-metadata="${announced}"`]),
      ...(listed.provenance ? [`data-provenance="${quoted(this.#provenanceUrl(listed))}"`] : []),
    ];
    return `<a ${attributes.join(' ')}>${quoted(listed.filename ?? listed.file.filename)}</a><br>`;
  }

  #url(listed: Listed): string {
    return listed.url ?? `${this.#style.filesAt}${encodeURIComponent(listed.file.filename)}`;
  }

  #provenanceUrl(listed: Listed): string {
    return `${this.#style.provenanceAt}${this.name}/${listed.file.version}/${listed.file.filename}/provenance`;
  }
}

function metadataKind(listed: Listed): NonNullable<Listing['coreMetadata']> {
  return listed.coreMetadata ?? (listed.file.filename.endsWith('.whl') ? 'hashed' : 'none');
}

function hashesOf(listed: Listed): Readonly<Record<string, string>> {
  return listed.hashes === false ? {} : (listed.hashes ?? { sha256: listed.file.sha256 });
}

function quoted(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
