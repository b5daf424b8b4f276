import { isHashedOtherwise, type Lock, type LockEntry, type LockNote } from './lock.ts';

/** What somebody should know who installs this lock from here: what is not mirrored, and what still points elsewhere. */
export function lockRemarks({ entries, notes }: Lock): readonly LockNote[] {
  const local = entries.flatMap((entry) => {
    const { source, project, place, isThere } = entry;
    if (isThere) {
      const detail = `${project} lies on the machine that made the lock, and is mirrored only where the index has it too`;
      return [{ place, detail }];
    }
    // The project that the lock itself belongs to.
    if (source.kind !== 'local' || source.what === '.') return [];
    const detail = `${project ?? source.what} lies on the machine that made the lock, and is not mirrored`;
    return [{ place, detail }];
  });
  const otherwise = entries.filter(isHashedOtherwise).map(({ project, version, place }) => {
    const detail = `${project} has no sha256, by which files are found: all files of ${version ?? 'it'} are mirrored, and only the installer looks at the hashes`;
    return { place, detail };
  });
  const elsewhere = entries.filter(pointsElsewhere);
  const [first] = elsewhere;
  if (first === undefined) return [...notes, ...local, ...otherwise];
  const detail = `the files of ${elsewhere.length} packages are addressed elsewhere: the rewritten lock has their addresses here`;
  return [...notes, ...local, ...otherwise, { place: first.place, detail }];
}

/** Is a file addressed otherwise than an index of ours would? */
function pointsElsewhere({ source, project, files }: LockEntry): boolean {
  if (source.kind !== 'index') return false;
  return files.some(
    ({ url }) => url !== undefined && !(URL.parse(url)?.pathname ?? '').includes(`/simple/${project}/`),
  );
}
