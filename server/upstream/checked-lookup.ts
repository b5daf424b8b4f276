import type { LookupFunction } from 'node:net';
import type { Resolve } from './resolve.ts';

/**
 * A look-up for sockets that hands over just the addresses that `addressesOf` has found and checked, so that the name cannot lead elsewhere a
 * moment later. What that throws refuses the connection.
 */
export function checkedLookup(addressesOf: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    addressesOf(hostname).then(
      (addresses) => {
        const fitting = options.family ? addresses.filter(({ family }) => family === options.family) : addresses;
        const [first = addresses[0]] = fitting;
        if (options.all) callback(null, [...fitting]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );
  };
}
