import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import type { Authorizer } from '../access/authorizer.ts';
import type { Clock } from '../clock.ts';
import { type CoreMetadata, parseCoreMetadata } from '../model/core-metadata.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { FirstMatch } from '../repository/first-match.ts';
import { servedBytes } from '../repository/read-served.ts';
import type { View } from '../repository/repository.ts';
import { describedRelease, describingFile, type Release, releasesOf, renderLegacyJson } from '../simple/legacy-json.ts';
import { cacheStatus } from './cache-status.ts';
import { matchesEtag } from './conditional.ts';
import { viewPrefixOf } from './index-path.ts';
import { contextOf } from './request-context.ts';

export interface LegacyJsonParts {
  readonly access: Authorizer;
  readonly clock: Clock;
  readonly isPublic: boolean;
  /** Scheme, host and prefix that clients use, without a slash at the end. */
  readonly originOf: (req: Request) => string;
}

// How long a document waits for core metadata that are not here: a slow upstream must not make a known project slow.
const PATIENCE_MS = 1_500;
// Enough for what is kept, however long the page took.
const LEAST_PATIENCE_MS = 250;

/** The legacy JSON API of the public index: for pip-tools, Poetry, Dependabot and Renovate. */
export class LegacyJson {
  readonly #parts: LegacyJsonParts;

  constructor(parts: LegacyJsonParts) {
    this.#parts = parts;
  }

  /** Answers for a project, or for one version of it. Throws `project-not-found`, `release-not-found`, and what the index throws. */
  async send(
    req: Request,
    res: Response,
    asked: {
      readonly index: FirstMatch;
      readonly view: View;
      readonly name: ProjectName;
      readonly version: string | undefined;
    },
  ): Promise<void> {
    const { index, view, name, version } = asked;
    const { access, clock, isPublic, originOf } = this.#parts;
    const until = clock.nowMs() + PATIENCE_MS;
    access.authorize(contextOf(req).principal, 'read', { kind: 'project', name });
    const state = await index.state(name, view);
    const detail = state === undefined ? undefined : await index.project(name, view);
    if (state === undefined || detail === undefined)
      throw new Problem('project-not-found', `No project ${name} is known here.`);
    const releases = releasesOf(detail);
    const release = describedRelease(releases, version);
    if (release === undefined) throw new Problem('release-not-found', `${name} has no such release here.`);
    const metadata = await this.#inTime(this.#metadata(index, { name, view, release }), until);
    const base = `${originOf(req)}${viewPrefixOf(req.path)}/simple/${name}/`;
    const body = renderLegacyJson({
      detail,
      releases,
      release,
      scope: version === undefined ? 'all' : 'one',
      fileUrl: (file) => `${base}${encodeURIComponent(file.filename)}`,
      ...(metadata === undefined ? {} : { metadata }),
    });
    const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"`;
    const headers = {
      'Content-Type': 'application/json',
      ETag: etag,
      'Cache-Control': isPublic ? 'no-cache' : 'private, no-cache',
      'Cache-Status': cacheStatus(state.origin),
      'X-Content-Type-Options': 'nosniff',
    };
    if (matchesEtag(req.headers['if-none-match'], etag)) {
      res.writeHead(304, headers).end();
      return;
    }
    res.writeHead(200, { ...headers, 'Content-Length': body.length });
    res.end(req.method === 'HEAD' ? undefined : body);
  }

  /** What is asked for, unless it takes long: then it comes in the background, and the next document has it. */
  async #inTime<T>(asked: Promise<T>, until: number): Promise<T | undefined> {
    asked.catch(() => {}); // whoever still waits is told
    const patience = new AbortController();
    const { clock } = this.#parts;
    const late = clock.sleep(Math.max(LEAST_PATIENCE_MS, until - clock.nowMs()), patience.signal).then(
      () => undefined,
      () => undefined,
    );
    try {
      return await Promise.race([asked, late]);
    } finally {
      patience.abort();
    }
  }

  /** What the release's own metadata say; without them the document is poorer, not an error. */
  async #metadata(
    index: FirstMatch,
    { name, view, release }: { name: ProjectName; view: View; release: Release },
  ): Promise<CoreMetadata | undefined> {
    const file = describingFile(release);
    if (file === undefined) return undefined;
    try {
      const served = await index.file(name, `${file.filename}.metadata`, view);
      return served === undefined ? undefined : parseCoreMetadata(await servedBytes(served));
    } catch (error) {
      if (error instanceof Problem) return undefined;
      throw error;
    }
  }
}
