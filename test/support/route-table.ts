import type { Action, Resource } from '../../server/model/access.ts';

/** A route of the contract, asked of one project (`acme-lib`) or application (`shop`), and the right that it needs. */
export interface RouteCase {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly action: Action;
  readonly on: Resource;
  /** Sent as JSON. What is refused must be refused before it is looked at. */
  readonly body?: unknown;
  /** Sent as a form, with a file that is none. */
  readonly form?: Readonly<Record<string, string>>;
}

const project: Resource = { kind: 'project', name: 'acme-lib' };
const app: Resource = { kind: 'app', name: 'shop' };
const server: Resource = { kind: 'server' };

const reading = ['', '/index/main', '/at/2026-05-01', '/offline', '/index/main/at/2026-05-01/offline'].flatMap(
  (view) =>
    [
      ['GET', `${view}/simple/acme-lib/`, project],
      ['GET', `${view}/simple/acme-lib/acme_lib-1.0-py3-none-any.whl`, project],
      ['GET', `${view}/simple/acme-lib/acme_lib-1.0-py3-none-any.whl.metadata`, project],
      ['GET', `${view}/acme-lib/json`, project],
      ['GET', `${view}/pypi/acme-lib/json`, project],
      ['GET', `${view}/pypi/acme-lib/1.0/json`, project],
      ['GET', `${view}/integrity/acme-lib/1.0/acme_lib-1.0-py3-none-any.whl/provenance`, project],
    ] as const,
);

const readingMore = [
  ['GET', '/sources/acme-lib/acme_lib-1.0.tar.gz', project],
  ['GET', '/legacy/%2Bsimple/acme-lib', project],
  ['GET', '/index/main/legacy/%2Bsimple/acme-lib/', project],
] as const;

const fetching = [
  ['GET', '/bundles/shop', app],
  ['GET', '/bundles/shop/1.0', app],
  ['GET', '/bundles/shop/1.0/shop-1.0.tar.gz', app],
  ['GET', '/bundles/shop/@production', app],
  ['GET', '/bundles/shop/@production/download', app],
  ['GET', '/bundles/shop/channels/production/history', app],
  ['GET', '/bundles/shop/diff', app],
  ['GET', '/bundles/shop/1.0/sbom', app],
  ['GET', '/bundles/shop/1.0/lock', app],
  ['GET', '/bundles/shop/@latest/sha256', app],
  ['GET', '/bundles/shop/channels', app],
  ['GET', '/bundles/shop/channels/production', app],
  ['GET', '/bundles/shop/retention', app],
] as const;

const uploading = [
  ['POST', '/legacy/', project],
  ['POST', '/legacy', project],
  ['POST', '/index/main/legacy/', project],
] as const;

const bundling = [
  ['PUT', '/bundles/shop/1.0/shop-1.0.tar.gz', app],
  ['POST', '/bundles/shop', app],
  ['PUT', '/bundles/shop/channels/production', app],
  ['DELETE', '/bundles/shop/channels/production', app],
  ['POST', '/bundles/shop/channels/production/rollback', app],
  ['DELETE', '/bundles/shop/1.0', app],
  ['PUT', '/bundles/shop/retention', app],
  ['DELETE', '/bundles/shop/retention', app],
  ['POST', '/bundles/shop/retention/run', app],
] as const;

const managing = [
  ['PATCH', '/admin/repositories/local/projects/acme-lib', project],
  ['PATCH', '/admin/repositories/local/projects/acme-lib/releases/1.0', project],
  ['DELETE', '/admin/repositories/local/projects/acme-lib/releases/1.0', project],
  ['DELETE', '/admin/repositories/local/projects/acme-lib/files/acme_lib-1.0-py3-none-any.whl', project],
] as const;

const administering = [
  ['POST', '/admin/mirror', server],
  ['POST', '/admin/import', server],
  ['PUT', '/admin/import/1/files/a.whl', server],
  ['GET', '/admin/jobs/1', server],
  ['GET', '/admin/jobs/1/events', server],
  ['GET', '/admin/jobs/1/lock', server],
  ['DELETE', '/admin/jobs/1', server],
  ['POST', '/admin/drill', server],
  ['GET', '/admin/locks', server],
  ['DELETE', '/admin/locks/shop', server],
  ['GET', '/admin/jobs', server],
  ['GET', '/admin/locks/shop', server],
  ['GET', '/admin/locks/shop/text', server],
  ['POST', '/admin/verify', server],
  ['POST', '/admin/gc', server],
] as const;

const browsing = [
  ['GET', '/admin/upstreams', server],
  ['GET', '/admin/stats', server],
  ['GET', '/admin/explain', server],
  ['POST', '/admin/projects/acme-lib/refresh', server],
  ['GET', '/admin/read-only', server],
  ['POST', '/admin/read-only', server],
] as const;

const own: readonly RouteCase[] = [
  { method: 'GET', path: '/admin/tokens', action: 'admin', on: server },
  { method: 'POST', path: '/admin/tokens', action: 'admin', on: server, body: { name: 'x', can: ['read'] } },
  { method: 'DELETE', path: '/admin/tokens/nothing', action: 'admin', on: server },
  { method: 'GET', path: '/admin/events', action: 'admin', on: server },
];

/** Every route of the contract that needs a right. Lists that show to each what it may see are not here. */
export const ROUTES: readonly RouteCase[] = [
  ...reading.map(([method, path, on]) => ({ method, path, on, action: 'read' as const })),
  ...readingMore.map(([method, path, on]) => ({ method, path, on, action: 'read' as const })),
  ...fetching.map(([method, path, on]) => ({ method, path, on, action: 'read' as const })),
  ...uploading.map(([method, path, on]) => ({
    method,
    path,
    on,
    action: 'upload' as const,
    form: { name: 'Acme.Lib', version: '1.0', filetype: 'sdist' },
  })),
  ...bundling.map(([method, path, on]) => ({ method, path, on, action: 'bundle' as const })),
  ...managing.map(([method, path, on]) => ({ method, path, on, action: 'admin' as const })),
  ...administering.map(([method, path, on]) => ({
    method,
    path,
    on,
    action: 'admin' as const,
  })),
  ...browsing.map(([method, path, on]) => ({ method, path, on, action: 'admin' as const })),
  ...own,
];
