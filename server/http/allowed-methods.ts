import type { Router } from 'express';

// The package `router` keeps what was mounted in `stack`; its types do not tell of `match`.
interface Layer {
  readonly route?:
    | { readonly path: string | readonly string[]; readonly stack: readonly { readonly method?: string }[] }
    | undefined;
  match(path: string): unknown;
}

/**
 * What routes take the path, as a header `Allow` names it (RFC 9110, 10.2.1): `GET, HEAD, PUT`; HEAD where there is GET, and never
 * OPTIONS. Where a route spells out a segment that another one leaves open, that word is none that the other one takes. Empty when none
 * has the path.
 */
export function allowedMethods(routers: readonly Router[], path: string): readonly string[] {
  const layers = routers.flatMap(({ stack }) => stack as unknown as readonly Layer[]);
  const matching = layers.flatMap((layer) => (layer.route && layer.match(path) ? [layer.route] : []));
  const shapes = matching.map((route) => [route.path].flat().map(shapeOf).toSorted()[0]);
  const closest = shapes.toSorted()[0];
  const routes = matching.filter((_, at) => shapes[at] === closest).flatMap(({ stack }) => stack);
  const methods = new Set(routes.flatMap(({ method }) => (method ? [method.toUpperCase()] : [])));
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}

/** A letter for each segment of a route's path, `a` where it is spelled out and `b` where it is left open. */
function shapeOf(path: string): string {
  return path
    .replace(/\/$/, '')
    .split('/')
    .map((segment) => (/[:*{]/.test(segment) ? 'b' : 'a'))
    .join('');
}
