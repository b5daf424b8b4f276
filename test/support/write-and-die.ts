import { run } from '../../server/catalog/catalog.ts';
import { sql } from '../../server/catalog/schema.ts';
import { openSqlite } from '../../server/catalog/sqlite.ts';

// A process of its own for tests that kill it: writes rows to the SQLite catalog at argv[2], with the prefix argv[3], as fast as it
// can, two at a time in one script, and says each number once it is acknowledged.
const [path = '', prefix = '', migrationsDir = ''] = process.argv.slice(2);
const catalog = await openSqlite({ path, migrationsDir });
for (let number = 0; ; number += 1) {
  await catalog.write(function* () {
    const row = { size: number, stored_at: 1, doomed_at: null };
    yield* run(sql.insertInto('blob').values({ digest: `${prefix}-${number}-a`, ...row }));
    yield* run(sql.insertInto('blob').values({ digest: `${prefix}-${number}-b`, ...row }));
  });
  process.stdout.write(`${number}\n`);
}
