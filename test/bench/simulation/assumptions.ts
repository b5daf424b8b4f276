/** What the simulation takes for granted. Figures marked "measured" are of this program, in docs/performance.md or test/bench. */
export const ASSUMPTIONS = {
  seed: 20_261_124,

  // The world of packages: its size is that of the public index.
  projects: 600_000,
  files: 8_000_000,
  /** Requests for the project of rank k go like k to the minus this. Nobody outside knows the true figure; a second one is tried beside it. */
  projectZipf: 1.1,
  flatterZipf: 0.95,
  /** Within a project the newest files are asked most. */
  fileZipf: 1.6,
  /** The number of files of the project of rank k goes like k to the minus this: popular projects have more wheels. */
  filesExponent: 0.35,
  /** File sizes are log-normal, bytes. */
  medianFileBytes: 90e3,
  meanFileBytes: 2e6,
  largestFileBytes: 2e9,
  metadataBytes: 6e3,

  // An install with nothing in the client's cache: a CI job.
  distributionsPerInstall: 30,
  /** Of the files; the rest is in the client's cache, or the resolver only wanted metadata. */
  filesFetched: 0.7,

  // The store's local cache (storage/cached-store.ts): a blob is copied when it is asked for a second time while that is remembered.
  rememberedRequests: 20_000,

  // Processor time of a node, seconds. Measured, with what a read from PostgreSQL costs the client added.
  pageSeconds: 150e-6,
  fileSeconds: 200e-6,
  secondsPerByteSent: 0.6e-9,
  /** Of an answer that comes from S3, beside the bytes: the SDK. */
  s3Seconds: 1e-3,
  /** Bytes that are also hashed and written to the local cache. */
  secondsPerByteKept: 1.2e-9,
  /** A node is one process, and JavaScript runs on one core of it. */
  coresPerNode: 1,
  /** Of the core and of the line, so that one node of several may be away. */
  utilisation: 0.5,
  lineBytesPerSecond: 10e9 / 8,

  // PostgreSQL: reads by a named statement that one core answers a second. Measured: 15,590 on two cores that also carried the client.
  readsPerCore: 7_500,
  databaseCores: 16,
  connectionsPerNode: 10,
  databaseConnections: 500,
  freshForSeconds: 600,
  /** Commits a second of an ordinary primary with its log on a good disk. */
  commitsPerSecond: 4_000,
  bytesPerFileRow: 700,
  bytesPerFileOnPage: 350,

  // Prices, US dollars: what large clouds list for object storage.
  dollarsPerMillionGets: 0.4,
  dollarsPerMillionPuts: 5,
  dollarsPerGigabyteMonth: 0.023,
  dollarsPerGigabyteOut: 0.05,
  verifyBytesPerSecond: 200e6,
} as const;

export type Assumptions = { readonly [K in keyof typeof ASSUMPTIONS]: number };
