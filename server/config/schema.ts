import { z } from 'zod';
import { access, oidc } from './access-schema.ts';
import { catalog, storage } from './engines-schema.ts';
import { indexes, repositories } from './repositories-schema.ts';
import { duration, size } from './units.ts';
import { expectedName, hostName, network, path, plainName, plainUrl } from './values.ts';

const count = (least: number, most: number) => z.int().min(least).max(most);
const flag = (means: string) => z.boolean().default(true).describe(means);
const channelName = z.string().regex(plainName, { error: expectedName });

const listen = z
  .strictObject({
    host: z
      .string()
      .min(1, { error: 'a host name or an IP address' })
      .default('127.0.0.1')
      .describe('Address to listen on; `0.0.0.0` is all of them.'),
    port: count(0, 65_535).default(8085).describe('Port to listen on; `0` is any that is free.'),
  })
  .prefault({})
  .describe('Where the server listens.');

const uploads = z
  .strictObject({
    localVersions: flag('Take versions with a local part (`1.0+acme.1`).'),
    directUrlDependencies: flag('Take files that depend on a URL (`name @ https://…`).'),
    linuxPlatformTags: flag('Take wheels tagged `linux_x86_64` and the like, not only `manylinux` and `musllinux`.'),
    unknownClassifiers: flag('Take classifiers that are on no list.'),
    oldSdistNames: flag('Take sdists whose file name is not normalised (PEP 625).'),
    zipSdists: flag('Take sdists that are `.zip` files.'),
    unrecordedFiles: z
      .boolean()
      .default(false)
      .describe('Take wheels whose `RECORD` names other files than they have, such as old ones that move in.'),
  })
  .prefault({})
  .describe(
    'What uploads of packages may be like. The defaults suit private packages; `false` refuses as a public index would.',
  );

const bundles = z
  .strictObject({
    unreadable: z
      .enum(['store', 'refuse'])
      .default('store')
      .describe('A bundle whose archive is broken or over the caps: `store` it, its contents unknown, or `refuse` it.'),
    contentsWait: duration({ most: '10m' })
      .prefault('250ms')
      .describe(
        'How long the answer to an upload waits for what is inside once the archive is stored. What takes longer is read on, and until then `contentsNote` says `being read`. With `refuse` it always waits.',
      ),
  })
  .prefault({})
  .describe('What uploads of bundles may be like.');

const channels = z
  .record(
    channelName,
    z.strictObject({
      after: channelName
        .nullable()
        .default(null)
        .describe('A version must have been in that channel before it may be promoted to this one.'),
    }),
  )
  .default({})
  .describe('Rules for channels of bundles, by name, such as `{"production": {"after": "staging"}}`.');

const retention = z
  .record(
    z.string(),
    z.strictObject({
      keep: count(1, 100_000).nullable().default(null).describe('Newest versions to keep; `null` keeps all.'),
      keepPerChannel: count(0, 100_000)
        .default(10)
        .describe('Versions that each channel pointed to last, kept besides; two at least, whatever is said here.'),
    }),
  )
  .default({})
  .describe(
    'Which bundle versions may go, by application; `*` is every other one. What a channel points to now or pointed to last, or `@latest` is, never goes.',
  );

const fetch = z
  .strictObject({
    allowHosts: z
      .array(hostName())
      .prefault(['github.com', 'codeload.github.com'])
      .describe(
        'Hosts (`host` or `host:port`) that URL and VCS requirements of a lock may be fetched from. A name that resolves to a private address is refused, an address written out here is not.',
      ),
    timeout: duration({ least: '1s' }).prefault('10m').describe('How long one archive or one `git` may take.'),
    maxBytes: size().prefault('1GiB').describe('How large one archive or one clone may be.'),
  })
  .prefault({})
  .describe('URL and VCS requirements of locks that are mirrored.');

const imports = z
  .strictObject({
    allowHosts: z
      .array(hostName())
      .nullable()
      .prefault(null)
      .describe(
        'Hosts (`host` or `host:port`) of indexes that an import may fetch from, and of what they link to; `null`: whichever an administrator names, inside private networks too, but never a link-local address.',
      ),
  })
  .prefault({})
  .describe('Indexes that move in.');

const jobs = z
  .strictObject({
    atOnce: count(1, 64).default(2).describe('Jobs that one node runs at once.'),
    mirrorFetches: count(1, 64).default(8).describe('Files that one mirror job fetches at once.'),
    recheckLocksEvery: duration({ least: '1s' })
      .prefault('1d')
      .describe('How often kept locks are checked to be ready.'),
    collectGarbageEvery: duration({ least: '1s' })
      .prefault('1d')
      .describe('How often what nothing refers to is removed.'),
    keepFinishedFor: duration({ most: '3650d' }).prefault('30d').describe('How long finished jobs can be looked at.'),
  })
  .prefault({})
  .describe('Work in the background.');

const notify = z
  .strictObject({
    url: plainUrl().nullable().default(null).describe('Where to POST when a kept lock stops being ready.'),
    secret: z.string().nullable().default(null).describe('Key of the HMAC-SHA256 signature of what is posted.'),
    retries: count(0, 20).default(5).describe('How often a failed notification is sent again.'),
  })
  .prefault({})
  .describe('Webhook.');

const limits = z
  .strictObject({
    uploadBytes: size().prefault('2GiB').describe('Largest file that may be uploaded, package or bundle.'),
    minFreeBytes: size()
      .prefault('1GiB')
      .describe(
        'Room that is left on the disk: below it uploads are refused, and files pulled through are served without being stored.',
      ),
    cacheBytes: size()
      .nullable()
      .prefault(null)
      .describe(
        'How much is kept of files that came through upstreams: when it is more, garbage collection lets those go that were used longest ago, but none that a kept lock needs or that could not be had again. `null`: all is kept.',
      ),
    cacheKeepFor: duration({ most: '3650d' })
      .prefault('30d')
      .describe(
        'What was used within that time is kept, however much it is. Use is remembered to the day, so it may be a day more.',
      ),
    spoolBytes: size().prefault('20GiB').describe('Room under `dataDir` for files on their way in, all together.'),
    downloads: count(1, 1024).default(64).describe('Files pulled through at once; the rest waits its turn.'),
    pageBytes: size().prefault('32MiB').describe('Largest page that is taken from an upstream, decompressed.'),
    pageFiles: count(1, 10_000_000).default(50_000).describe('Most files on a page that is taken from an upstream.'),
    pageCacheBytes: size().prefault('48MiB').describe('Memory for rendered pages.'),
    fileCacheBytes: size().prefault('32MiB').describe('Memory for small files that are asked often.'),
    metadataBytes: size().prefault('8MiB').describe('Largest core metadata, and largest text field of an upload.'),
    archiveEntries: count(1, 10_000_000).default(200_000).describe('Most members of an archive that is looked into.'),
    archiveBytes: size()
      .prefault('16GiB')
      .describe('Most bytes that an archive may expand to while it is looked into.'),
    lockBytes: size().prefault('16MiB').describe('Largest lock that may be sent.'),
    stopDelay: duration()
      .prefault('0s')
      .describe(
        'How long requests are still taken after SIGTERM, while `/readyz` says that this node stops and each answer ends its connection: what a load balancer needs to go elsewhere.',
      ),
    stopGrace: duration().prefault('30s').describe('How long requests under way may take to finish after SIGTERM.'),
  })
  .prefault({})
  .describe('Bounds.');

const log = z
  .strictObject({
    level: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('The least important lines that are written.'),
  })
  .prefault({})
  .describe('The log: one JSON line an event, on standard output.');

/** Every key of the configuration: its meaning, unit and default. `docs/configuration.md` and `config.example.json` are made from it. */
export const configSchema = z.strictObject({
  listen,
  publicUrl: plainUrl()
    .transform((text) => text.replace(/\/+$/, ''))
    .nullable()
    .prefault(null)
    .describe('The address that clients use, for what we print; pages and links are relative and need no setting.'),
  trustProxy: z
    .array(network())
    .default([])
    .describe('Peers (addresses or networks) whose `X-Forwarded-*` are believed.'),
  contact: z
    .string()
    .nullable()
    .default(null)
    .describe('Who runs this server: an address or a page, told to upstreams in the `User-Agent`.'),
  dataDir: path()
    .default('./data')
    .describe('Folder for everything that is kept here; relative to the working directory.'),
  storage,
  catalog,
  repositories,
  indexes,
  defaultIndex: z.string().default('main').describe('The index at `/simple/` and `/legacy/`.'),
  access,
  oidc,
  uploads,
  bundles,
  channels,
  retention,
  fetch,
  import: imports,
  jobs,
  notify,
  limits,
  log,
});

/** The configuration as the program sees it: defaults filled in, durations in milliseconds, sizes in bytes. */
export type Config = z.output<typeof configSchema> & {
  /** `STORMCELLAR_ADMIN_TOKEN`: an admin token for as long as it is set. Never in the file. */
  readonly bootstrapToken?: string;
};
export type RepositoryConfig = Config['repositories'][string];
/** A repository of kind `upstream`. */
export type UpstreamConfig = Extract<RepositoryConfig, { kind: 'upstream' }>;
