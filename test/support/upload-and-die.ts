// Run as a process of its own: publishes a wheel and kills itself (-9) at the step numbered `dieAt`: before and after each thing that it
// asks of the catalog, and at every step of the store. Ends with 0 when there is no such step any more.
import { openSqlite } from '../../server/catalog/sqlite.ts';
import { systemClock } from '../../server/clock.ts';
import { createBlobKeeper } from '../../server/keep-blobs.ts';
import { Uploads } from '../../server/uploads/upload.ts';
import { openBlobStore } from '../../storage/open.ts';
import { Spool } from '../../storage/spool.ts';
import { MIGRATIONS_DIR } from './test-catalog.ts';
import { formOf } from './test-uploads.ts';
import { makeWheel } from './wheel.ts';

const [dir = '', dieAt = ''] = process.argv.slice(2);
let next = 0;
const step = (): void => {
  if (next++ !== Number(dieAt)) return;
  process.kill(process.pid, 'SIGKILL');
  for (;;); // not one line more
};

const spoolDir = `${dir}/spool`;
const real = await openSqlite({ path: `${dir}/catalog.sqlite`, migrationsDir: MIGRATIONS_DIR });
const blobs = await openBlobStore({ kind: 'disk', dir: `${dir}/blobs` }, { spoolDir, minFreeBytes: 0, onStep: step });
const around =
  <A extends readonly unknown[], T>(ask: (...args: A) => Promise<T>) =>
  async (...args: A): Promise<T> => {
    step();
    const answer = await ask(...args);
    step();
    return answer;
  };
const catalog: typeof real = Object.assign(Object.create(real), {
  read: around((script: never) => real.read(script)),
  write: around((script: never) => real.write(script)),
});
const keeper = createBlobKeeper({ catalog, blobs, clock: systemClock });
const uploads = new Uploads({ catalog, keeper, clock: systemClock, spoolDir });

const file = makeWheel({ name: 'demo', version: '1.0' });
const spool = await Spool.create(spoolDir, { maxBytes: file.bytes.length });
await spool.write(file.bytes);
const spooled = await spool.finish();
const fields = new Map(Object.entries(formOf(file)).map(([name, value]) => [name, [value]]));
const claims = uploads.claims(fields, file.filename);
step();
await uploads.publish({ repository: 'local', claims, fields, spooled, hashes: {}, actor: { name: 'ci' } });
step();
process.exit(0);
