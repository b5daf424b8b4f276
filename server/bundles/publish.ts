import { createHash } from 'node:crypto';
import { lookup } from 'mime-types';
import { type Digest, parseDigest } from '../../storage/digest.ts';
import type { BlobKeeper } from '../blob-keeper.ts';
import { fillContents, readContentsLater } from '../catalog/bundle-contents.ts';
import { type BundleLock, findVersion, publishVersion } from '../catalog/bundles.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { promote } from '../catalog/channels.ts';
import type { Clock } from '../clock.ts';
import type { Actor } from '../model/access.ts';
import {
  type AppName,
  type ArchiveContents,
  areBeingRead,
  areUnread,
  BEING_READ,
  type BundleFilename,
  type BundleLabels,
  type BundleVersion,
  type BundleVersionText,
  type ChannelMove,
  type ChannelName,
  isBundlePrerelease,
} from '../model/bundle.ts';
import { Problem } from '../problem.ts';
import { lockHashes } from './lock-compare.ts';
import type { Readings } from './readings.ts';
import type { ReceivedArchive } from './receive.ts';
import { type BundleRules, channelBefore } from './rules.ts';

/** What somebody wants to publish; the archive apart. */
export interface PublishOrder {
  readonly app: AppName;
  readonly version: BundleVersionText;
  readonly filename: BundleFilename;
  readonly labels: BundleLabels;
  /** Points to the version in the same transaction. */
  readonly channel?: ChannelName | undefined;
  /** Promote against the rule that another channel comes first. The caller has checked the right to. */
  readonly force: boolean;
  readonly why: string | null;
  readonly lock?: { readonly name: string; readonly body: string } | undefined;
  readonly actor: Actor;
}

export interface Published {
  /** As it is stored: of a version that was there, with its first labels. */
  readonly version: BundleVersion;
  readonly outcome: 'created' | 'present';
  /** Absent when no channel was named, or it pointed here already. */
  readonly move: ChannelMove | undefined;
}

export interface PublishParts {
  readonly catalog: Catalog;
  readonly keeper: BlobKeeper;
  readonly clock: Clock;
  readonly rules: BundleRules;
  readonly readings: Readings;
}

/**
 * Throws what can be known before the body is read: `bundle-exists` for another file name, `channel-order`. A check only; the
 * transaction decides.
 */
export async function checkOrder({ catalog, rules }: PublishParts, order: PublishOrder): Promise<void> {
  const { app, version, filename, channel, force } = order;
  const existing = await catalog.read(() => findVersion(app, version));
  if (existing !== undefined && existing.filename !== filename) {
    throw new Problem(
      'bundle-exists',
      `Version ${version} of ${app} exists already, under the file name ${existing.filename}; a version never changes.`,
      { members: { sha256: existing.digest, filename: existing.filename } },
    );
  }
  const after = channel === undefined ? undefined : channelBefore(rules, channel);
  if (existing === undefined && after !== undefined && !force) {
    throw new Problem(
      'channel-order',
      `A new version cannot have been in ${after}, which comes before ${channel}; nothing was stored.`,
      { members: { after } },
    );
  }
}

/**
 * Stores the archive and names it, in this order, so that a crash leaves the whole version or nothing. Its contents may come later;
 * then the version says that they are being read. Takes the archive's file when it succeeds; else the caller discards it. Throws
 * `invalid-archive` where unreadable archives are refused, `bundle-exists`, `channel-order`, `stopping`, `StorageFullError`.
 */
export async function publish(parts: PublishParts, order: PublishOrder, archive: ReceivedArchive): Promise<Published> {
  const { inside } = archive;
  let isFollowed = false;
  try {
    if (parts.rules.unreadable === 'refuse') refuseUnreadable(await inside.contents);
    await parts.keeper.keep(archive.spooled);
    const contents = await soon(inside, parts);
    const published = await enter(parts, order, { spooled: archive.spooled, contents });
    if (areBeingRead(contents) && areUnread(published.version.contents)) {
      parts.readings.follow(published.version, inside);
      isFollowed = true;
    }
    return published;
  } finally {
    if (!isFollowed) inside.abandon();
  }
}

// What is late has at least some hundred milliseconds of work left.
const LATE_MS = 1000;

function refuseUnreadable(contents: ArchiveContents): void {
  if (contents.distributions !== null || contents.note.startsWith('unknown')) return;
  if (areBeingRead(contents))
    throw new Problem('stopping', 'There was no time to read the archive; nothing was stored.');
  throw new Problem('invalid-archive', `The archive is ${contents.note}; nothing was stored.`);
}

/** The contents if they come within the time that the configuration allows for. */
async function soon(
  { contents, isLate }: ReceivedArchive['inside'],
  { clock, rules }: PublishParts,
): Promise<ArchiveContents> {
  if (isLate() && rules.contentsWaitMs < LATE_MS) return BEING_READ;
  const known = new AbortController();
  const late = clock.sleep(rules.contentsWaitMs, known.signal).then(
    () => BEING_READ,
    () => BEING_READ,
  );
  try {
    return await Promise.race([contents, late]);
  } finally {
    known.abort();
  }
}

/** The rows of it, in one transaction. */
async function enter(
  { catalog, clock, rules }: PublishParts,
  order: PublishOrder,
  { spooled, contents }: { readonly spooled: ReceivedArchive['spooled']; readonly contents: ArchiveContents },
): Promise<Published> {
  const { app, actor, channel } = order;
  const at = clock.nowMs();
  const wanted: BundleVersion = {
    app,
    version: order.version,
    filename: order.filename,
    digest: spooled.digest,
    size: spooled.size,
    contentType: typeOf(order.filename),
    createdAt: at,
    createdBy: actor.name,
    prerelease: isBundlePrerelease(order.version),
    contents,
    ...order.labels,
  };
  const lock = order.lock && keptLock(order.lock);
  return await catalog.write(function* () {
    const outcome = yield* publishVersion(wanted, { lock, actor });
    if (outcome === 'created' && areBeingRead(contents)) yield* readContentsLater(wanted, actor.name);
    const move =
      channel === undefined
        ? undefined
        : yield* promote({
            ...{ app, channel, actor, at },
            version: order.version,
            after: channelBefore(rules, channel),
            force: order.force,
            why: order.why,
          });
    const version = (yield* findVersion(app, order.version)) ?? wanted;
    // Who comes second may know what the first still reads.
    const isFilled = outcome === 'present' && (yield* fillContents(version, contents));
    return { version: isFilled ? { ...version, contents } : version, outcome, move };
  });
}

function keptLock({ name, body }: { readonly name: string; readonly body: string }): BundleLock {
  return { name, body, digest: sha256Of(body), hashes: lockHashes(body) };
}

function sha256Of(text: string): Digest {
  const digest = parseDigest(createHash('sha256').update(text).digest('hex'));
  if (digest === undefined) throw new TypeError('sha256 is not 64 hexadecimal digits');
  return digest;
}

/** Python's own archives are zip files, which the registry of types does not know; nor does it know some short endings. */
function typeOf(filename: string): string {
  if (/\.tgz$/i.test(filename)) return 'application/gzip';
  if (/\.(?:whl|pex|pyz|egg)$/i.test(filename)) return 'application/zip';
  if (/\.zst$/i.test(filename)) return 'application/zstd';
  return lookup(filename) || 'application/octet-stream';
}
