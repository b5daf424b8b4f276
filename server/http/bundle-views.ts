import type { AppSummary, AppView, LockView, RetentionView } from '../bundles/bundles.ts';
import type { BundleVersion, ChannelMove, Expired, Holder } from '../model/bundle.ts';
import { isoTime } from './iso-time.ts';

/** Bodies of answers about bundles. What is not known is null, never absent. */
type View = Record<string, unknown>;

/** A version; `channels`: those that point to it, when that is known. */
export function versionView(version: BundleVersion, channels?: readonly string[]): View {
  const { contents } = version;
  return {
    app: version.app,
    version: version.version,
    filename: version.filename,
    sha256: version.digest,
    size: version.size,
    contentType: version.contentType,
    at: isoTime(version.createdAt),
    by: version.createdBy,
    commit: version.commit ?? null,
    tag: version.tag ?? null,
    buildUrl: version.buildUrl ?? null,
    prerelease: version.prerelease,
    ...(channels === undefined ? {} : { channels }),
    contents: contents.distributions,
    ...(contents.distributions === null ? { contentsNote: contents.note } : {}),
  };
}

/** `GET /bundles/{app}`. */
export function appView({ name, versions, channels, hasMore }: AppView): View {
  const pointing = (version: string) => channels.filter((one) => one.version === version).map((one) => one.name);
  const last = versions.at(-1);
  return {
    name,
    versions: versions.map((one) => versionView(one, pointing(one.version))),
    channels: Object.fromEntries(channels.map((one) => [one.name, one.version])),
    next: hasMore && last ? `?after=${encodeURIComponent(last.version)}` : null,
  };
}

/** An entry of `GET /bundles/`. */
export function summaryView({ name, latest, channels }: AppSummary): View {
  return {
    name,
    latest: latest ?? null,
    channels: Object.fromEntries(channels.map((one) => [one.name, one.version])),
  };
}

/** `GET /bundles/{app}/@{channel}`. */
export function channelView(channel: string, version: BundleVersion, movedAt: number | undefined): View {
  return { channel, movedAt: isoTime(movedAt), ...versionView(version) };
}

/** One move, as histories and answers to moves have it. */
export function moveView({ seq, from, to, by, at, why, kind, undone }: ChannelMove): View {
  return { seq, from, to, by, at: isoTime(at), why, kind, undone };
}

/** An entry of the answer to `?contains=` and `?sha256=`. */
export function holderView({ app, version, filename, digest, createdAt, channels, holds, by }: Holder): View {
  return {
    app,
    version,
    filename,
    sha256: digest,
    at: isoTime(createdAt),
    channels,
    ...(holds === undefined ? {} : { holds }),
    ...(by === undefined ? {} : { match: by }),
  };
}

/** What a lock that came along says, without the lock itself. */
export function lockView(lock: LockView | undefined): View | null {
  if (lock === undefined) return null;
  const { name, digest } = lock;
  return { name, sha256: digest, ...(lock.comparison() ?? { notInLock: null, notInBundle: null, differs: null }) };
}

/** What retention keeps, and what would go by it. */
export function retentionView({ retention, source, expired }: RetentionView): View {
  return { ...retention, source, ...expiredView(expired) };
}

/** Versions that would go, or went. */
export function expiredView(expired: readonly Expired[]): View {
  return {
    removes: expired.map(({ version, size, createdAt }) => ({ version, size, at: isoTime(createdAt) })),
    bytes: expired.reduce((sum, { size }) => sum + size, 0),
  };
}
