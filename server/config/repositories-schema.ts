import { z } from 'zod';
import { duration } from './units.ts';
import { expectedName, indexAddress, namePattern, path, plainName } from './values.ts';

const AUTO = 'auto';
const expectedAddress = '"auto", or an http(s) address such as "https://index.example/simple/"';

const hosted = z.strictObject({
  kind: z.literal('hosted').describe('Takes uploads.'),
});

const upstreamUrl = z
  .string({ error: expectedAddress })
  .transform((text, context) => {
    if (text === AUTO) return { url: AUTO, username: null, password: null };
    const address = indexAddress().safeParse(text);
    if (!address.success) context.addIssue({ code: 'custom', message: expectedAddress });
    return address.data ?? { url: text, username: null, password: null };
  })
  .meta({ reads: 'address' });

const upstreamKeys = z.strictObject({
  kind: z.literal('upstream').describe('Another index, pulled through.'),
  url: upstreamUrl
    .prefault(AUTO)
    .describe(
      'Address of its simple API. `auto`: the index that pip on this machine uses (`PIP_INDEX_URL`, `UV_DEFAULT_INDEX`, `UV_INDEX_URL`, pip’s configuration files, then the built-in default that `pip install --help` states).',
    ),
  username: z.string().nullable().default(null).describe('User name for HTTP Basic, when it wants one.'),
  password: z
    .string()
    .nullable()
    .default(null)
    .describe('Password or token that goes with `username`. Sent to the origin of `url` and to nobody else.'),
  freshFor: duration().prefault('10m').describe('How long a page is served before upstream is asked again.'),
  timeout: duration({ least: '10ms' })
    .prefault('10s')
    .describe('How long to wait for the head of an answer, connecting included.'),
  connectTimeout: duration({ least: '10ms' }).prefault('5s').describe('How long to wait for a connection.'),
  idleTimeout: duration({ least: '10ms' })
    .prefault('30s')
    .describe('How long a body may pause before it counts as cut off. There is no limit on a whole body.'),
  staleAfter: duration()
    .prefault('1500ms')
    .describe('How long a client waits for a slow upstream when an older page is at hand; then it gets that one.'),
  confirmFor: duration()
    .prefault('1h')
    .describe('How long a known project must stay gone upstream (404, or files missing) before that is believed.'),
  retries: z.int().min(0).max(10).default(2).describe('How often a failed request is tried again.'),
  connections: z.int().min(1).max(1024).default(32).describe('Connections to it at once.'),
  failuresToOpen: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe('Failures in a row after which it counts as down and is no longer asked by requests.'),
  probeEvery: duration({ least: '100ms' })
    .prefault('5s')
    .describe('While it is down: pause between two attempts, in the background, to reach it.'),
  fallbacks: z
    .array(indexAddress())
    .prefault([])
    .describe('Further addresses of the same index. Bytes from there are accepted by the same sha256 only.'),
  proxy: z
    .string({ error: '"environment", "none", or the http(s) address of a proxy' })
    .refine((text) => text === 'environment' || text === 'none' || /^https?:\/\/[^/]+\/?$/i.test(text), {
      error: '"environment", "none", or the http(s) address of a proxy',
    })
    .default('environment')
    .describe('Outbound proxy. `environment`: as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.'),
  caFile: path()
    .nullable()
    .default(null)
    .describe('PEM file of certificate authorities to trust besides the well-known ones.'),
});

/**
 * Credentials may stand in the address or in their own keys; the program sees them in their own keys only. `urlFrom`: where the
 * address that `auto` stands for was found, in words, once it was.
 */
const upstream = upstreamKeys.transform(({ url: address, ...keys }, context) => {
  const both = address.username !== null && (keys.username !== null || keys.password !== null);
  if (both) {
    const message = 'credentials in one place: in the address, or in "username" and "password"';
    context.addIssue({ code: 'custom', message, path: ['username'] });
  }
  return {
    ...keys,
    url: address.url,
    username: keys.username ?? address.username,
    password: keys.password ?? address.password,
    urlFrom: null as string | null,
  };
});

const name = z.string().regex(plainName, { error: expectedName });

/** Where projects come from. */
export const repositories = z
  .record(name, z.discriminatedUnion('kind', [hosted, upstream]))
  .prefault({ local: { kind: 'hosted' }, pypi: { kind: 'upstream' } })
  .describe(
    'Where projects come from, by name: `hosted` takes uploads, `upstream` is another index, pulled through. One with a `url` is an `upstream`, also when its `kind` is left out. What a repository holds is kept under its name: under another name it starts empty, and under the old one it is there again.',
  );

/** What is served, and from where. */
export const indexes = z
  .record(
    name,
    z.strictObject({
      repositories: z
        .array(z.string())
        .min(1, { error: 'at least one name of a repository' })
        .describe('Names of repositories, in order: the first that knows a project answers for it alone.'),
      private: z
        .array(namePattern())
        .prefault([])
        .describe('Names or patterns (`acme-*`) that are never asked of an upstream, even before their first upload.'),
    }),
  )
  .prefault({ main: { repositories: ['local', 'pypi'] } })
  .describe(
    'What is served at `/index/NAME/simple/`: ordered lists of repositories; nothing is merged. Left out: one index of all repositories, hosted ones first (and `local` when none is), and the same for the list of an index.',
  );
