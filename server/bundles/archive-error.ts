/** An archive cannot be read, or is over a cap. The message is fit for a user, lower case, without a full stop. */
export class ArchiveError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ArchiveError';
  }
}

/** How much of an archive is looked at before it counts as unreadable. */
export interface ArchiveCaps {
  /** Members of any kind. */
  readonly maxMembers: number;
  /** Bytes that it expands to. */
  readonly maxExpandedBytes: number;
  /** Distributions found inside. */
  readonly maxDistributions: number;
}

/** Throws `ArchiveError` for a member's name that would lead out of the folder that an archive is unpacked in. */
export function checkMemberName(name: string): void {
  const isAbsolute = name.startsWith('/') || name.startsWith('\\') || /^[A-Za-z]:[\\/]/.test(name);
  if (isAbsolute || (name.includes('..') && name.split(/[\\/]/).includes('..')) || name.includes('\0')) {
    throw new ArchiveError('a member has a name that leads out of the archive');
  }
}
