/**
 * Which part of the program may import which: the arrows of ARCHITECTURE.md. A part is a folder of `server/`, a file directly in
 * it, `storage` or `cli`. An arrow may also name one file.
 */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  storage: [],
  cli: [],
  'cli/main.ts': ['cli', 'server/main.ts', 'server/compose-move.ts'],

  'server/problem.ts': [],
  'server/clock.ts': [],
  'server/log-batches.ts': [],
  'server/log.ts': ['server/log-batches.ts'],
  'server/each-at-once.ts': [],
  'server/others-turn.ts': [],
  'server/metrics.ts': [],
  'server/gathered-times.ts': ['server/catalog', 'server/clock.ts'],
  'server/blob-keeper.ts': [],
  'server/failure.ts': ['server/problem.ts', 'server/catalog/errors.ts', 'storage/errors.ts'],

  // Reading archives, pure but for the file that is read.
  'server/inflate.ts': [],
  'server/gzip-file.ts': ['server/inflate.ts'],
  'server/zip-file.ts': ['server/inflate.ts'],
  'server/tar-header.ts': [],
  'server/tar-walker.ts': ['server/tar-header.ts'],
  'server/wheel-metadata.ts': ['server/zip-file.ts', 'server/model'],

  'server/model': ['server/problem.ts', 'storage/digest.ts'],
  'server/simple': ['server/model'],
  'server/ui': ['server/model', 'server/simple'],
  'server/config': ['server/model'],

  'server/catalog': ['server/model', 'server/problem.ts', 'server/clock.ts', 'storage/digest.ts'],
  'server/upstream': ['server/model', 'server/problem.ts', 'server/clock.ts', ...bytes()],
  'server/repository': [
    'server/model',
    'server/simple',
    'server/catalog',
    'server/upstream',
    'server/problem.ts',
    'server/clock.ts',
    'server/wheel-metadata.ts',
    'server/gathered-times.ts',
    'server/others-turn.ts',
    ...bytes(),
  ],
  'server/keep-blobs.ts': ['server/catalog', 'server/clock.ts', ...bytes()],

  'server/access': [...writing(), 'server/gathered-times.ts'],
  'server/moving': writing(),
  'server/browse': writing(),
  'server/uploads': [...writing(), ...archives(), 'server/others-turn.ts'],
  'server/bundles': [...writing(), ...archives(), 'server/others-turn.ts'],
  'server/mirroring': [
    ...writing(),
    ...archives(),
    'server/each-at-once.ts',
    'server/repository',
    'server/simple',
    'server/upstream',
  ],
  'server/importing': [...writing(), 'server/each-at-once.ts', 'server/simple', 'server/upstream'],
  'server/jobs': [
    ...services(),
    ...writing(),
    'server/repository',
    'server/upstream',
    'server/failure.ts',
    'server/others-turn.ts',
  ],

  'server/http': [
    ...services(),
    'server/repository',
    'server/jobs',
    'server/model',
    'server/simple',
    'server/ui',
    'server/problem.ts',
    'server/failure.ts',
    'server/clock.ts',
    'server/log.ts',
    ...bytes(),
  ],

  'server/compose.ts': [
    ...services(),
    ...bytes(),
    'storage/open.ts',
    'server/catalog',
    'server/upstream',
    'server/repository',
    'server/jobs',
    'server/http',
    'server/model',
    'server/config',
    'server/keep-blobs.ts',
    'server/clock.ts',
    'server/log.ts',
    'server/metrics.ts',
    'server/problem.ts',
    'server/failure.ts',
  ],
  'server/main.ts': ['server/compose.ts', 'server/config', 'server/clock.ts', 'server/log.ts'],
};

/** What a part may know of besides, as a type: a shape costs nothing at run time. */
export function typeArrows(area: string): readonly string[] {
  if (area === 'storage' || area === 'cli') return [];
  const shapes = [
    'server/clock.ts',
    'server/log.ts',
    'server/metrics.ts',
    'server/blob-keeper.ts',
    'server/model',
    'storage',
  ];
  if (area === 'server/ui') return [...shapes, 'server/browse', 'server/repository', 'server/upstream'];
  if (area === 'server/browse') return [...shapes, 'server/upstream', 'server/repository'];
  if (area === 'server/compose.ts') return [...shapes, 'server/ui', 'server/simple'];
  return shapes;
}

/** The files of `storage/` that are not a backend. */
function bytes(): string[] {
  return [
    'buffer-pool',
    'digest',
    'drained',
    'errors',
    'fill-spool',
    'free-piece',
    'send-to-spool',
    'spool',
    'spool-hashes',
    'start-thread',
    'with-spooled',
  ].map((name) => `storage/${name}.ts`);
}

/** What a service that writes stands on. */
function writing(): string[] {
  return ['server/model', 'server/catalog', 'server/problem.ts', 'server/clock.ts', ...bytes()];
}

function archives(): string[] {
  return ['inflate', 'gzip-file', 'zip-file', 'tar-header', 'tar-walker', 'wheel-metadata'].map(
    (name) => `server/${name}.ts`,
  );
}

/** Services do not import each other. */
function services(): string[] {
  return ['access', 'browse', 'uploads', 'bundles', 'mirroring', 'importing', 'moving'].map((name) => `server/${name}`);
}

/** Which packages are used where: the beginnings of paths. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/client-s3': ['storage/s3-'],
  '@aws-sdk/s3-request-presigner': ['storage/s3-'],
  'better-sqlite3': ['server/catalog/sqlite', 'server/catalog/lock-file'],
  commander: ['cli/'],
  eta: ['server/ui/'],
  express: ['server/http/', 'server/compose'],
  'hash-wasm': ['storage/spool-hashes.ts'],
  helmet: ['server/http/'],
  htmlparser2: ['server/simple/'],
  jose: ['server/access/'],
  kysely: ['server/catalog/'],
  'lru-cache': ['server/', 'storage/'],
  'mime-types': ['server/http/', 'server/bundles/'],
  minizlib: ['server/bundles/gunzip.ts'],
  multer: ['server/http/'],
  negotiator: ['server/http/'],
  pg: ['server/catalog/postgres'],
  pino: ['server/log'],
  'prom-client': ['server/metrics.ts'],
  'rate-limiter-flexible': ['server/access/'],
  '@renovatebot/pep440': ['server/model/'],
  'smol-toml': ['server/mirroring/'],
  undici: ['server/upstream/', 'server/mirroring/', 'server/jobs/'],
  'xz-decompress': ['server/bundles/'],
  yauzl: ['server/zip-file.ts'],
  zod: ['server/config/', 'server/http/'],
};

/** The part that a file belongs to. */
export function areaOf(path: string): string {
  if (path === 'cli/main.ts') return path;
  const [top = '', second = ''] = path.split('/');
  if (top !== 'server') return top;
  // The composition root may be in several files.
  return second.startsWith('compose') ? 'server/compose.ts' : `server/${second}`;
}
