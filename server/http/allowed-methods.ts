import type { Router } from 'express';

// The package `router` keeps what was mounted in `stack`; its types do not tell of `match`.
interface Layer {
  readonly route?: { readonly stack: readonly { readonly method?: string }[] } | undefined;
  match(path: string): unknown;
}

/**
 * What routes take the path, as a header `Allow` names it (RFC 9110, 10.2.1): `GET, HEAD, PUT`; HEAD where there is GET, and never
 * OPTIONS. Empty when none has the path.
 */
export function allowedMethods(routers: readonly Router[], path: string): readonly string[] {
  const layers = routers.flatMap(({ stack }) => stack as unknown as readonly Layer[]);
  const routes = layers
    .filter((layer) => layer.route && layer.match(path))
    .flatMap((layer) => layer.route?.stack ?? []);
  const methods = new Set(routes.flatMap(({ method }) => (method ? [method.toUpperCase()] : [])));
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
