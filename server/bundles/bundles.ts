import type { Digest } from '../../storage/digest.ts';
import { expireVersions, findExpired, findRetention, setRetention } from '../catalog/bundle-retention.ts';
import { holdersOf, holdersOfDigest } from '../catalog/bundle-search.ts';
import {
  findLatest,
  findLatestOf,
  findLock,
  findVersion,
  isKnownApp,
  listApps,
  listVersions,
  removeVersions,
} from '../catalog/bundles.ts';
import {
  type ChannelState,
  findChannel,
  listChannels,
  listMoves,
  type MoveOrder,
  promote,
  removeChannel,
  rollback,
} from '../catalog/channels.ts';
import type { Actor } from '../model/access.ts';
import {
  type AppName,
  areBeingRead,
  type BundleVersion,
  type BundleVersionText,
  type ChannelMove,
  type ChannelName,
  type ContainedDistribution,
  type Expired,
  type Holder,
  LATEST,
  type Retention,
} from '../model/bundle.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import type { ArchiveReader } from './archive-reader.ts';
import { type ContentsDiff, diffContents } from './diff.ts';
import { type LockComparison, type LockReader, readRequirementPins } from './lock-compare.ts';
import { LockComparisons } from './lock-comparisons.ts';
import { checkOrder, type Published, type PublishOrder, type PublishParts, publish } from './publish.ts';
import { contentsUnderWay } from './readings.ts';
import { noRoom, type ReceivedArchive, receiveArchive } from './receive.ts';
import { channelBefore, configuredRetention } from './rules.ts';

export interface BundleParts extends PublishParts {
  readonly reader: ArchiveReader;
  /** Folder for archives on their way into the store. */
  readonly spoolDir: string;
  /** Largest archive. */
  readonly maxBytes: number;
  /** Room that is left for what is to be stored, in bytes. */
  readonly spareBytes: () => Promise<number>;
  /** Reads locks of any format; requirements.txt when absent. */
  readonly readLock?: LockReader;
}

/** A version, or a channel that points to one; the channel may be `latest`. */
export type BundleReference =
  | { readonly version: BundleVersionText }
  | { readonly channel: ChannelName | typeof LATEST };

/** What a reference leads to. */
export interface BundlePointer {
  readonly version: BundleVersion;
  /** Of a channel: when it came to point there. */
  readonly movedAt?: number;
}

/** An application as it stands. */
export interface AppView {
  readonly name: AppName;
  readonly versions: readonly BundleVersion[];
  readonly channels: readonly ChannelState[];
  /** More versions follow the last one. */
  readonly hasMore: boolean;
}

/** An application in the list of all. */
export interface AppSummary {
  readonly name: AppName;
  readonly latest: BundleVersionText | undefined;
  readonly channels: readonly ChannelState[];
}

export interface LockView {
  readonly name: string;
  readonly digest: string;
  readonly body: string;
  /** What the archive holds against it; `undefined` when the contents, or the pins of the lock, are not known. */
  comparison(): LockComparison | undefined;
}

export interface RetentionView {
  readonly retention: Retention;
  /** Who decided: somebody for this application, or the configuration. */
  readonly source: 'app' | 'config';
  readonly expired: readonly Expired[];
}

const MAX_FOUND = 1000;

/** Applications, their versions and channels: every use case. What each may do to whom is asked before, by the caller. */
export class Bundles {
  readonly #parts: BundleParts;
  readonly #comparisons: LockComparisons;

  constructor(parts: BundleParts) {
    this.#parts = parts;
    this.#comparisons = new LockComparisons(parts.readLock ?? readRequirementPins);
  }

  /** Throws what speaks against the order before its body is read. */
  check(order: PublishOrder): Promise<void> {
    return checkOrder(this.#parts, order);
  }

  /** Throws `storage-full` when there is no room for so many bytes. Answers the room. */
  async checkRoom(bytes: number): Promise<number> {
    const spare = await this.#parts.spareBytes();
    if (bytes > spare || spare <= 0) throw noRoom();
    return spare;
  }

  /**
   * Takes an archive in and publishes it; nothing is left when it fails. Throws `digest-mismatch`, `malformed-request` (empty),
   * `SpoolLimitError`, `storage-full`, and what `publish` throws. `length`: as announced, if it was.
   */
  async upload(
    order: PublishOrder,
    body: AsyncIterable<Uint8Array>,
    { expected, length = 0 }: { readonly expected?: Digest | undefined; readonly length?: number | undefined },
  ): Promise<Published> {
    const { reader, spoolDir, maxBytes } = this.#parts;
    const spare = await this.checkRoom(length);
    const archive = await receiveArchive(body, {
      ...{ reader, spoolDir, maxBytes, spare, expected, length },
      isAwaited: this.#isAwaited,
      filename: order.filename,
    });
    try {
      return await publish(this.#parts, order, archive);
    } finally {
      await archive.discard();
    }
  }

  /** The same for an archive that has arrived otherwise; the caller discards what is left of it. */
  async publish(order: PublishOrder, spooled: ReceivedArchive['spooled']): Promise<Published> {
    await this.check(order);
    const { filename } = order;
    const reading = await this.#parts.reader.begin(spooled.path, { filename, isAwaited: this.#isAwaited });
    const inside = contentsUnderWay(reading, reading.finished(spooled.size));
    return await publish(this.#parts, order, { spooled, inside, discard: async () => {} });
  }

  /** Uploads are not answered before their contents are known. */
  get #isAwaited(): boolean {
    return this.#parts.rules.unreadable === 'refuse';
  }

  /** Applications by name, from behind `after` on. */
  async apps(page: { readonly after: string; readonly limit: number }): Promise<readonly AppSummary[]> {
    return await this.#parts.catalog.read(function* () {
      const names = yield* listApps(page);
      const latest = yield* findLatestOf(names);
      const channels = Map.groupBy(yield* listChannels(names), ({ app }) => app);
      return names.map((name) => ({ name, latest: latest.get(name), channels: channels.get(name) ?? [] }));
    });
  }

  /** Waits for contents that this node is reading. Throws `bundle-not-found`. */
  async app(
    name: AppName,
    page: { readonly after?: BundleVersionText | undefined; readonly limit: number },
  ): Promise<AppView> {
    const look = () =>
      this.#parts.catalog.read(function* () {
        if (!(yield* isKnownApp(name))) throw noApp(name);
        const versions = yield* listVersions(name, { after: page.after, limit: page.limit + 1 });
        const channels = yield* listChannels([name]);
        return { name, versions: versions.slice(0, page.limit), channels, hasMore: versions.length > page.limit };
      });
    const view = await look();
    return (await this.#areSettled(view.versions)) ? await look() : view;
  }

  /** Throws `bundle-not-found`, `bundle-version-not-found`, `channel-not-found`. Its contents may still be being read. */
  async resolve(app: AppName, reference: BundleReference): Promise<BundleVersion> {
    return (await this.#point(app, reference)).version;
  }

  /** The same, with when a channel came to point there. Waits for contents that this node is reading. */
  async pointer(app: AppName, reference: BundleReference): Promise<BundlePointer> {
    const pointer = await this.#point(app, reference);
    if (!(await this.#areSettled([pointer.version]))) return pointer;
    return { ...pointer, ...(await this.#point(app, { version: pointer.version.version })) };
  }

  /** True when something of them was being read here, and is not any more. */
  async #areSettled(versions: readonly BundleVersion[]): Promise<boolean> {
    return await this.#parts.readings.settled(versions.filter(({ contents }) => areBeingRead(contents)));
  }

  async #point(app: AppName, reference: BundleReference): Promise<BundlePointer> {
    return await this.#parts.catalog.read(function* () {
      if ('version' in reference) {
        const version = yield* findVersion(app, reference.version);
        if (version !== undefined) return { version };
        if (!(yield* isKnownApp(app))) throw noApp(app);
        throw new Problem('bundle-version-not-found', `${app} has no version ${reference.version}.`);
      }
      if (reference.channel === LATEST) {
        const version = yield* findLatest(app);
        if (version !== undefined) return { version };
        if (!(yield* isKnownApp(app))) throw noApp(app);
        throw new Problem('bundle-version-not-found', `${app} has no version.`);
      }
      const channel = yield* findChannel(app, reference.channel);
      if (channel === undefined) {
        if (!(yield* isKnownApp(app))) throw noApp(app);
        throw new Problem('channel-not-found', `${app} has no channel ${reference.channel}.`);
      }
      const version = yield* findVersion(app, channel.version);
      if (version === undefined) throw new Error(`channel ${channel.name} of ${app} points to a version that is gone`);
      return { version, movedAt: channel.movedAt };
    });
  }

  /** Channels that point to a version. */
  async channelsAt({ app, version }: BundleVersion): Promise<readonly ChannelName[]> {
    const channels = await this.#parts.catalog.read(() => listChannels([app]));
    return channels.filter((channel) => channel.version === version).map(({ name }) => name);
  }

  /**
   * Points a channel to a version; `undefined` when it did already. Throws `bundle-version-not-found`, `channel-moved`,
   * `channel-order`.
   */
  async promote(
    order: Omit<MoveOrder, 'at'> & { readonly version: BundleVersionText; readonly force: boolean },
  ): Promise<ChannelMove | undefined> {
    const { catalog, clock, rules } = this.#parts;
    const after = channelBefore(rules, order.channel);
    return await catalog.write(() => promote({ ...order, after, at: clock.nowMs() }));
  }

  /** Throws `channel-not-found`, `channel-moved`, `nothing-before`. */
  async rollback(order: Omit<MoveOrder, 'at'>): Promise<ChannelMove> {
    const { catalog, clock } = this.#parts;
    return await catalog.write(() => rollback({ ...order, at: clock.nowMs() }));
  }

  /** Takes a channel away, and with it its hold on versions; its history stays. Throws `channel-not-found`, `channel-moved`. */
  async removeChannel(order: Omit<MoveOrder, 'at'>): Promise<void> {
    const { catalog, clock } = this.#parts;
    await catalog.write(() => removeChannel({ ...order, at: clock.nowMs() }));
  }

  /** Moves in the order in which they happened. Throws `bundle-not-found`, `channel-not-found`. */
  async history(
    app: AppName,
    channel: ChannelName,
    page: { readonly before?: number | undefined; readonly limit: number },
  ): Promise<{ readonly moves: readonly ChannelMove[]; readonly hasMore: boolean }> {
    const moves = await this.#parts.catalog.read(() => listMoves(app, channel, { ...page, limit: page.limit + 1 }));
    if (moves.length === 0 && page.before === undefined) await this.resolve(app, { channel });
    const hasMore = moves.length > page.limit;
    return { moves: hasMore ? moves.slice(1) : moves, hasMore };
  }

  /** Throws like `resolve`, and `contents-unknown`. */
  async diff(
    app: AppName,
    references: { readonly from: BundleReference; readonly to: BundleReference },
  ): Promise<{ readonly from: BundleVersion; readonly to: BundleVersion; readonly diff: ContentsDiff }> {
    const { version: from } = await this.pointer(app, references.from);
    const { version: to } = await this.pointer(app, references.to);
    return { from, to, diff: diffContents(knownContents(from), knownContents(to)) };
  }

  /** Versions that hold a distribution, of one version or any. At most 1,000. Waits for whatever this node is reading. */
  async containing(wanted: { name: ProjectName; version?: string | undefined }): Promise<readonly Holder[]> {
    await this.#parts.readings.allSettled();
    return await this.#parts.catalog.read(() => holdersOf(wanted, MAX_FOUND));
  }

  /** Versions whose archive has this digest or whose lock names it. At most 1,000. */
  async withDigest(digest: Digest): Promise<readonly Holder[]> {
    return await this.#parts.catalog.read(() => holdersOfDigest(digest, MAX_FOUND));
  }

  /** The lock that came with a version, or `undefined`. */
  async lock(version: BundleVersion): Promise<LockView | undefined> {
    const lock = await this.#parts.catalog.read(() => findLock(version.app, version.version));
    return lock && { ...lock, comparison: () => this.#comparisons.of(version, lock) };
  }

  /** Throws `bundle-not-found`, `bundle-version-not-found`, and `version-in-use` while a channel points to it. */
  async remove(app: AppName, version: BundleVersionText, actor: Actor): Promise<void> {
    const at = this.#parts.clock.nowMs();
    await this.#parts.catalog.write(function* () {
      if ((yield* findVersion(app, version)) === undefined) {
        if (!(yield* isKnownApp(app))) throw noApp(app);
        throw new Problem('bundle-version-not-found', `${app} has no version ${version}.`);
      }
      const channels = (yield* listChannels([app])).filter((channel) => channel.version === version);
      if (channels.length > 0) {
        const names = channels.map(({ name }) => name);
        throw new Problem('version-in-use', `Version ${version} of ${app} is what ${names.join(', ')} points to.`, {
          members: { channels: names },
        });
      }
      yield* removeVersions(app, [version], { kind: 'bundle-deleted', actor, at });
    });
  }

  /** What is kept, and which versions would go by it; by `instead` when it is given. Throws `bundle-not-found`. */
  async retention(app: AppName, instead?: Retention): Promise<RetentionView> {
    const { catalog, rules } = this.#parts;
    return await catalog.read(function* () {
      if (!(yield* isKnownApp(app))) throw noApp(app);
      const own = instead ?? (yield* findRetention(app));
      const retention = own ?? configuredRetention(rules, app);
      return { retention, source: own ? 'app' : 'config', expired: yield* findExpired(app, retention) };
    });
  }

  /** Throws `bundle-not-found`. `undefined` leaves it to the configuration again. */
  async setRetention(app: AppName, retention: Retention | undefined, actor: Actor): Promise<RetentionView> {
    const at = this.#parts.clock.nowMs();
    await this.#parts.catalog.write(function* () {
      if (!(yield* isKnownApp(app))) throw noApp(app);
      yield* setRetention(app, retention, { actor, at });
    });
    return await this.retention(app);
  }

  /** Takes away what retention does not keep. Throws `bundle-not-found`. */
  async expire(app: AppName, actor: Actor): Promise<readonly Expired[]> {
    const { catalog, clock, rules } = this.#parts;
    const at = clock.nowMs();
    return await catalog.write(function* () {
      if (!(yield* isKnownApp(app))) throw noApp(app);
      const retention = (yield* findRetention(app)) ?? configuredRetention(rules, app);
      return yield* expireVersions(app, retention, { actor, at });
    });
  }
}

/** What is inside of a version. Throws `contents-unknown`. */
export function knownContents({ app, version, contents }: BundleVersion): readonly ContainedDistribution[] {
  if (contents.distributions !== null) return contents.distributions;
  throw new Problem('contents-unknown', `What is inside of ${app} ${version} is ${contents.note}.`, {
    members: { version },
  });
}

function noApp(name: AppName): Problem {
  return new Problem('bundle-not-found', `There is no bundle ${name}.`);
}
