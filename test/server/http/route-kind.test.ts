import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROUTE_KINDS, routeKind } from '../../../server/http/route-kind.ts';

const TABLE: readonly (readonly [path: string, kind: string])[] = [
  ['/', 'front'],
  ['', 'front'],
  ['/simple/', 'list'],
  ['/simple/demo/', 'page'],
  ['/simple/demo', 'page'],
  ['/simple/demo/demo-1.0.tar.gz', 'file'],
  ['/simple//demo/', 'page'],
  ['/simple/a/b/c', 'other'],
  ['/index/main/simple/demo/', 'page'],
  ['/at/2026-01-01/offline/simple/demo/', 'page'],
  ['/index/admin/legacy/', 'legacy'],
  ['/pypi/simple/json', 'pypi'],
  ['/integrity/simple/1.0/simple-1.0.tar.gz/provenance', 'integrity'],
  ['/bundles/simple/1.0/simple-1.0.tar.gz', 'bundles'],
  ['/admin/repositories/local/projects/simple', 'admin'],
  ['/sources/simple/simple-1.0.tar.gz', 'sources'],
  ['/_/oidc/mint-token', '_'],
  ['/metrics', 'metrics'],
  ['/livez', 'livez'],
  ['/page', 'other'],
  ['/wp-login.php', 'other'],
];

test('a path counts as what it leads to, whatever its names are', () => {
  for (const [path, kind] of TABLE) assert.equal(routeKind(path), kind, path);
  const known: readonly string[] = ROUTE_KINDS;
  for (const [, kind] of TABLE) assert.ok(known.includes(kind), kind);
});
