import { isSafeAddress, trustsAnybody } from '../model/trusted-publisher.ts';
import type { Complaint } from './complaints.ts';
import type { Config } from './schema.ts';

/** The names that may be referred to. */
interface Names {
  readonly repositories: readonly string[];
  readonly indexes: readonly string[];
}

/** What is wrong between keys that are each right alone. */
export function crossChecks(config: Config, names: Names): Complaint[] {
  return [...indexChecks(config, names), ...channelChecks(config), ...storageChecks(config), ...issuerChecks(config)];
}

function indexChecks({ indexes, defaultIndex }: Config, names: Names): Complaint[] {
  const complaints: Complaint[] = [];
  for (const [name, index] of Object.entries(indexes)) {
    const path = `indexes.${name}.repositories`;
    for (const [at, repository] of index.repositories.entries()) {
      if (!names.repositories.includes(repository)) {
        complaints.push({
          path: `${path}[${at}]`,
          found: JSON.stringify(repository),
          expected: oneOf(names.repositories),
        });
      } else if (index.repositories.indexOf(repository) !== at) {
        complaints.push({
          path: `${path}[${at}]`,
          found: `${JSON.stringify(repository)} a second time`,
          expected: 'each repository once',
        });
      }
    }
  }
  if (!names.indexes.includes(defaultIndex)) {
    const found = JSON.stringify(defaultIndex);
    complaints.push({ path: 'defaultIndex', found, expected: oneOf(names.indexes) });
  }
  return complaints;
}

function channelChecks({ channels }: Config): Complaint[] {
  return Object.keys(channels).flatMap((name) => {
    const seen = [name];
    for (let next = channels[name]?.after; next != null; next = channels[next]?.after) {
      if (seen.includes(next)) {
        const found = [...seen, next].map((step) => JSON.stringify(step)).join(' after ');
        return [{ path: `channels.${name}.after`, found, expected: 'an order that ends' }];
      }
      seen.push(next);
    }
    return [];
  });
}

function storageChecks({ storage }: Config): Complaint[] {
  if (storage.kind !== 's3' || (storage.accessKeyId === null) === (storage.secretAccessKey === null)) return [];
  const missing = storage.accessKeyId === null ? 'accessKeyId' : 'secretAccessKey';
  return [
    { path: `storage.${missing}`, found: 'nothing', expected: '"accessKeyId" and "secretAccessKey", or neither' },
  ];
}

function oneOf(names: readonly string[]): string {
  if (names.length === 0) return 'one that is configured, and there is none';
  return `one of ${names.map((name) => JSON.stringify(name)).join(', ')}`;
}

/** Whom to trust is decided here, so what would trust anybody is refused before the server starts. */
function issuerChecks({ oidc: { issuers } }: Config): Complaint[] {
  const complaints: Complaint[] = [];
  for (const [at, { issuer, jwksUrl, grants }] of issuers.entries()) {
    const path = `oidc.issuers[${at}]`;
    if (issuers.findIndex((other) => other.issuer === issuer) !== at) {
      complaints.push({
        path: `${path}.issuer`,
        found: `${JSON.stringify(issuer)} a second time`,
        expected: 'each issuer once',
      });
    }
    for (const [key, url] of Object.entries({ issuer, jwksUrl })) {
      if (url === null || isSafeAddress(new URL(url))) continue;
      complaints.push({
        path: `${path}.${key}`,
        found: JSON.stringify(url),
        expected: 'an https address, or http on this machine',
      });
    }
    for (const [number, grant] of grants.entries()) {
      if (!trustsAnybody(grant)) continue;
      complaints.push({
        path: `${path}.grants[${number}].claims`,
        found: JSON.stringify(grant.claims),
        expected: 'a claim that tells this publisher from others: anybody can get a token of a public issuer',
      });
    }
  }
  return complaints;
}
