import { z } from 'zod';
import { duration, size } from './units.ts';
import { path, plainUrl } from './values.ts';

const disk = z.strictObject({ kind: z.literal('disk').describe('Files under `dataDir`.') });

const s3 = z.strictObject({
  kind: z.literal('s3').describe('A bucket of any S3-compatible store.'),
  bucket: z.string().min(1, { error: 'the name of a bucket' }).describe('The bucket; it must exist.'),
  endpoint: plainUrl().nullable().default(null).describe('Address of the store; `null` is AWS itself.'),
  region: z
    .string()
    .min(1, { error: 'a region' })
    .default('us-east-1')
    .describe('Region that requests are signed for.'),
  prefix: z
    .string()
    .regex(/^(?:[A-Za-z0-9!_.*'()-]+\/?)*$/, { error: 'a key prefix such as "cellar/", without a slash in front' })
    .default('')
    .describe('Begins every key.'),
  forcePathStyle: z.boolean().default(false).describe('Bucket in the path instead of in the host name.'),
  accessKeyId: z
    .string()
    .nullable()
    .default(null)
    .describe('Key; `null`: where the AWS SDK finds one (environment, profile, instance).'),
  secretAccessKey: z.string().nullable().default(null).describe('Secret that goes with `accessKeyId`.'),
  delivery: z
    .enum(['stream', 'redirect'])
    .default('stream')
    .describe('`stream`: bytes go through this server. `redirect`: GETs of files are sent to presigned addresses.'),
  cacheBytes: size()
    .prefault('10GiB')
    .describe('Room under `dataDir` for copies of what is asked often; `0B` keeps none.'),
});

/** Where the bytes are. */
export const storage = z
  .discriminatedUnion('kind', [disk, s3])
  .prefault({ kind: 'disk' })
  .describe('Where the bytes are kept.');

const sqlite = z.strictObject({ kind: z.literal('sqlite').describe('One file under `dataDir`; for one node.') });

const expectedPostgres =
  'an address such as "postgres://user@db.example/stormcellar" (what is special in a password percent-encoded, or the password as "password")';
const postgres = z.strictObject({
  kind: z.literal('postgres').describe('PostgreSQL 15 or newer; any number of nodes.'),
  url: z
    .string({ error: expectedPostgres })
    .regex(/^postgres(?:ql)?:\/\//, { error: expectedPostgres })
    // No host, for a socket that stands in the query, is no address to URL.
    .refine((text) => URL.canParse(text.replace('@/', '@localhost/')), { error: expectedPostgres })
    .describe('Address of the database; the password may be given here or as `password`.'),
  password: z.string().nullable().default(null).describe('Password, when it is not part of `url`.'),
  poolSize: z.int().min(2).max(200).default(10).describe('Connections of one node at most.'),
  connectTimeout: duration({ least: '10ms' }).prefault('5s').describe('How long to wait for a connection.'),
  statementTimeout: duration({ least: '10ms' }).prefault('30s').describe('How long one statement may take.'),
  tls: z
    .enum(['url', 'off', 'require', 'verify'])
    .default('url')
    .describe('`url`: as `sslmode` in `url` says. `require`: encrypted. `verify`: and the certificate is checked.'),
  caFile: path().nullable().default(null).describe('PEM file of the authority that `verify` trusts.'),
});

/** Where the rows are. */
export const catalog = z
  .discriminatedUnion('kind', [sqlite, postgres])
  .prefault({ kind: 'sqlite' })
  .describe('Where the rows are kept.');
