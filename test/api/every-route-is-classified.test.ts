import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IRoute, Router } from 'express';
import { ROUTES } from '../support/route-table.ts';
import { testApp } from '../support/test-app.ts';

/** What needs no right over one project, application or server, and why; asked by tests of their own. */
const NEED_NO_MORE: readonly (readonly [method: string, path: string, why: string])[] = [
  ['GET', '/livez', 'health is asked without a token'],
  ['GET', '/readyz', 'health is asked without a token'],
  ['GET', '/_/oidc/audience', 'whoever asks has no token yet'],
  ['POST', '/_/oidc/mint-token', 'whoever asks has no token yet'],
  ['POST', '/_/oidc/github/mint-token', 'whoever asks has no token yet'],
  ['POST', '/_/oidc/burn-token', 'the token is in the body'],
  ['GET', '/', 'whoever may read'],
  ['GET', '/assets/style.css', 'whoever may read'],
  ['GET', '/metrics', 'whoever may read'],
  ['GET', '/problems/', 'whoever may read'],
  ['GET', '/problems/:slug', 'whoever may read'],
  ['GET', '/bundles', 'a list that shows to each what it may see'],
];

/** Those that take whole families of addresses and look at them themselves: the index and the uploads, in the table by hand. */
const DISPATCHERS = 2;

interface Seen {
  readonly routes: readonly IRoute[];
  /** Handlers that were given no address, by the routers that are mounted in the composed server. */
  readonly everywhere: readonly (readonly unknown[])[];
}

/** Composes a server and watches which routes are made. */
async function composedRoutes(t: Parameters<typeof testApp>[0]): Promise<Seen> {
  const prototype = Router.prototype as unknown as Pick<Router, 'route' | 'use'>;
  const { route, use } = prototype;
  const routes: IRoute[] = [];
  const everywhere: unknown[][] = [];
  prototype.route = function watched(this: Router, path: string) {
    const made = route.call(this, path);
    routes.push(made);
    return made;
  } as Router['route'];
  prototype.use = function watched(this: Router, ...args: never[]) {
    const hasAddress = typeof args[0] === 'string' || Array.isArray(args[0]);
    if (!hasAddress) everywhere.push(args);
    return (use as (...given: never[]) => Router).apply(this, args);
  } as Router['use'];
  try {
    await testApp(t);
  } finally {
    Object.assign(prototype, { route, use });
  }
  return { routes, everywhere };
}

function addresses(routes: readonly IRoute[]): readonly { method: string; path: string }[] {
  return routes.flatMap((route) => {
    const methods = new Set(route.stack.map(({ method }) => method));
    return [route.path].flat().flatMap((path) =>
      // without a method it takes all, and says 405: `onlyMethods`, and OPTIONS for everything
      [...methods].flatMap((method) =>
        method && method !== 'options' ? [{ method: method.toUpperCase(), path }] : [],
      ),
    );
  });
}

/** The route that answers a request, so that `/bundles/:app/diff` is not covered by a case of `/bundles/:app/:reference`. */
function answering<R extends { method: string; path: string }>(all: readonly R[], method: string, path: string) {
  const fitting = all.filter((route) => {
    const pattern = route.path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+');
    return route.method === method && new RegExp(`^${pattern}/?$`).test(path);
  });
  const parameters = ({ path: pattern }: R) => pattern.split(':').length;
  return fitting.sort((a, b) => parameters(a) - parameters(b))[0];
}

test('every route of the composed server is in the table of who may what, or here with the reason why not', async (t) => {
  const { routes, everywhere } = await composedRoutes(t);
  const all = addresses(routes);
  assert.ok(all.length > 40, `${all.length} routes`);
  const classified = new Set<unknown>();
  for (const { method, path } of ROUTES) classified.add(answering(all, method, path));
  for (const [method, path, why] of NEED_NO_MORE) {
    const route = all.find((one) => one.method === method && one.path === path);
    assert.ok(route, `${method} ${path} (${why}) is not mounted any more`);
    assert.ok(!classified.has(route), `${method} ${path} is classified twice`);
    classified.add(route);
  }
  const left = all.filter((route) => !classified.has(route)).map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(left, [], 'add these to test/support/route-table.ts, with the right that they need');

  const dispatchers = everywhere.filter(([handler]) => {
    const isRouter = typeof handler === 'function' && 'stack' in handler;
    return !isRouter && /\bparse(?:Index|Upload)\w*\(/.test(String(handler));
  });
  assert.equal(dispatchers.length, DISPATCHERS);
});

test('the table names no route that there is not', async (t) => {
  const { routes } = await composedRoutes(t);
  const all = addresses(routes);
  const byHand = /^(?:\/index\/\w+)?(?:\/at\/[^/]+)?(?:\/offline)?\/(?:simple|pypi|integrity|legacy|acme-lib)(?:\/|$)/;
  for (const { method, path } of ROUTES) {
    if (!byHand.test(path)) assert.ok(answering(all, method, path), `${method} ${path}`);
  }
});
