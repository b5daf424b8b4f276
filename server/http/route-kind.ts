import { viewPrefixOf } from './index-path.ts';

/** By the number of segments that follow. */
const BELOW_SIMPLE = ['list', 'page', 'file'] as const;
/** By the first segment; `_` is trusted publishing. */
const BY_NAME = [
  'legacy',
  'pypi',
  'integrity',
  'bundles',
  'sources',
  'admin',
  'livez',
  'readyz',
  'metrics',
  '_',
] as const;

/** What requests are counted as, in metrics. */
export const ROUTE_KINDS = [...BELOW_SIMPLE, ...BY_NAME, 'front', 'other'] as const;

/** What a request for this path counts as: one of few, whatever is asked. Of an index it is the same in every view. */
export function routeKind(path: string): (typeof ROUTE_KINDS)[number] {
  const segments = path.slice(viewPrefixOf(path).length).split('/');
  const [first, ...rest] = segments.filter((segment) => segment !== '');
  if (first === undefined) return 'front';
  if (first === 'simple') return BELOW_SIMPLE[rest.length] ?? 'other';
  return BY_NAME.find((kind) => kind === first) ?? 'other';
}
