import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import type { Filename } from '../../../server/model/filename.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { Problem } from '../../../server/problem.ts';
import { checkArchive } from '../../../server/uploads/check-archive.ts';
import type { Claims } from '../../../server/uploads/check-form.ts';
import { DEFAULT_RULES } from '../../../server/uploads/upload-rules.ts';
import { damaged } from '../../support/damage.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { makeSdist, makeWheel } from '../../support/wheel.ts';

const OPTIONS = { name: 'demo', version: '1.0', files: { 'demo/data.txt': 'x'.repeat(500) } };

for (const file of [makeWheel(OPTIONS), makeSdist(OPTIONS)]) {
  it(`${file.filename}, damaged anywhere, is refused or says the same`, async (t) => {
    const path = join(await tempDir(t), 'archive');
    const isWheel = file.filename.endsWith('.whl');
    const claims: Claims = {
      project: 'demo' as ProjectName,
      filename: file.filename as Filename,
      kind: isWheel ? 'wheel' : 'sdist',
      format: isWheel ? 'zip' : 'tar.gz',
      version: '1.0',
    };
    await fc.assert(
      fc.asyncProperty(damaged(file.bytes), async (bytes) => {
        await writeFile(path, bytes);
        try {
          assert.ok((await checkArchive(path, claims, DEFAULT_RULES)).equals(file.metadata));
        } catch (error) {
          assert.ok(error instanceof Problem && error.slug === 'invalid-archive', String(error));
        }
      }),
      { numRuns: 600, seed: 20261124 },
    );
  });
}
