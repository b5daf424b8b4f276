import { type ChannelName, parseChannelName, type Retention } from '../model/bundle.ts';

/** What the configuration says of bundles. */
export interface BundleRules {
  /** What becomes of an archive that is broken or over the caps. */
  readonly unreadable: 'store' | 'refuse';
  /** How long an upload that is stored waits for its contents before it is answered without. */
  readonly contentsWaitMs: number;
  /** By channel: the one that a version must have been in before. */
  readonly channels: Readonly<Record<string, { readonly after: string | null }>>;
  /** By application; `*` is every other one. */
  readonly retention: Readonly<Record<string, Retention>>;
}

/** The channel that comes before `channel`, or `undefined`. */
export function channelBefore(rules: BundleRules, channel: string): ChannelName | undefined {
  const after = Object.hasOwn(rules.channels, channel) ? rules.channels[channel]?.after : null;
  return after ? parseChannelName(after) : undefined;
}

/** What the configuration says of an application's retention; without a word, everything is kept. */
export function configuredRetention(rules: Pick<BundleRules, 'retention'>, app: string): Retention {
  const { retention } = rules;
  const own = Object.hasOwn(retention, app) ? retention[app] : retention['*'];
  return own ?? { keep: null, keepPerChannel: null };
}
