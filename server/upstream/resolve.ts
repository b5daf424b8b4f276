import { lookup as systemLookup } from 'node:dns/promises';

/** All addresses of a host name. Throws as `dns.lookup` does. */
export type Resolve = (hostname: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

/** The system's resolver. */
export const systemResolve: Resolve = (hostname) => systemLookup(hostname, { all: true });
