// Tests of the composed server where it matters what its engines are, once more: on PostgreSQL and S3. Not those that move a clock by
// minutes: a database does not answer in a moment that a test makes out of many.
import { after, test } from 'node:test';
import { useSharedEngines } from '../support/app-engines.ts';

const { skip, stop } = await useSharedEngines();
after(stop);

if (skip !== false) test('on PostgreSQL and S3', { skip }, () => {});
else {
  await import('./uploads.test.ts');
  await import('./project-admin.test.ts');
  await import('./bundles.test.ts');
  await import('./bundles-faults.test.ts');
  await import('./tokens.test.ts');
  await import('./pull-through.test.ts');
  await import('./mirror.test.ts');
}
