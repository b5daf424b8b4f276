/** What an upload must keep to. The defaults are the lenient ones that private users need; the public index is stricter. */
export interface UploadRules {
  /** Take versions with a local label (`1.0+cpu`). */
  readonly localVersions: boolean;
  /** Take files that depend on an address (`name @ https://…`). */
  readonly directUrlDependencies: boolean;
  /** Take wheels for `linux_*`, which run on the machine that built them and perhaps on others. */
  readonly linuxPlatformTags: boolean;
  /** Take classifiers that are not on the public list, or begin with `Private ::`. */
  readonly unknownClassifiers: boolean;
  /** Take sdists whose names are older than PEP 625: with hyphens, dots or capitals in the project's part. */
  readonly oldSdistNames: boolean;
  /** Take sdists that are zip archives. */
  readonly zipSdists: boolean;
  /** Take wheels whose RECORD names other files than they have. */
  readonly unrecordedFiles: boolean;
  /** Members of one archive. */
  readonly maxMembers: number;
  /** What an archive may become when it is unpacked. */
  readonly maxExpandedBytes: number;
  /** How many times its size an archive of more than `ratioFromBytes` may become when it is unpacked. */
  readonly maxRatio: number;
  readonly ratioFromBytes: number;
  /** Core metadata; they hold a README at most. */
  readonly maxMetadataBytes: number;
}

export const DEFAULT_RULES: UploadRules = {
  localVersions: true,
  directUrlDependencies: true,
  linuxPlatformTags: true,
  unknownClassifiers: true,
  oldSdistNames: true,
  zipSdists: true,
  unrecordedFiles: false,
  maxMembers: 200_000,
  maxExpandedBytes: 16 * 1024 ** 3,
  maxRatio: 100,
  ratioFromBytes: 64 * 1024 ** 2,
  maxMetadataBytes: 8 * 1024 ** 2,
};
