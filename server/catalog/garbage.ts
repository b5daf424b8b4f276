import type { ExpressionBuilder, ExpressionWrapper, SelectQueryBuilder, SqlBool } from 'kysely';
import type { Tables } from './schema.ts';

type OfBlob = ExpressionBuilder<Tables, 'blob'>;
type Reference = (eb: OfBlob) => SelectQueryBuilder<Tables, never, unknown>;

/**
 * Everything that keeps a blob alive, one line each: the rows that name it. A table with a digest whose bytes must stay gets its
 * line here in the change that adds the table, and an index that begins with that column. Whoever adds such a row has
 * stored the bytes through `BlobKeeper` within the last day, or held them with `touchBlob` in the same script.
 */
const REFERENCES: readonly Reference[] = [
  filesOf,
  (eb) =>
    eb.selectFrom('core_metadata').select('core_metadata.digest').whereRef('core_metadata.digest', '=', 'blob.digest'),
  (eb) =>
    eb
      .selectFrom('bundle_version')
      .select('bundle_version.digest')
      .whereRef('bundle_version.digest', '=', 'blob.digest')
      .where('bundle_version.deleted_at', 'is', null),
  (eb) => eb.selectFrom('source').select('source.digest').whereRef('source.digest', '=', 'blob.digest'),
];

function filesOf(eb: OfBlob) {
  return eb
    .selectFrom('file')
    .select('file.digest')
    .whereRef('file.digest', '=', 'blob.digest')
    .where('file.deleted_at', 'is', null);
}

/** Of a query over `blob`: no row names it. */
export function unreferenced(eb: OfBlob): ExpressionWrapper<Tables, 'blob', SqlBool> {
  return eb.and(REFERENCES.map((reference) => eb.not(eb.exists(reference(eb)))));
}

/** Of a query over `blob`: files of these repositories name it, and nothing else does. */
export function onlyIn(repositories: readonly string[]): (eb: OfBlob) => ExpressionWrapper<Tables, 'blob', SqlBool> {
  return (eb) =>
    eb.and([
      eb.exists(filesOf(eb).where('file.repository', 'in', repositories)),
      eb.not(eb.exists(filesOf(eb).where('file.repository', 'not in', repositories))),
      ...REFERENCES.filter((reference) => reference !== filesOf).map((reference) => eb.not(eb.exists(reference(eb)))),
    ]);
}
