import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ASSUMPTIONS } from '../bench/simulation/assumptions.ts';
import { blobBins } from '../bench/simulation/blob-bins.ts';
import { cacheOutcome } from '../bench/simulation/cache-model.ts';
import { populationOf } from '../bench/simulation/population.ts';
import { randomOf } from '../bench/simulation/random.ts';
import { report } from '../bench/simulation/report.ts';
import { runCache } from '../bench/simulation/run-cache.ts';

const small = { ...ASSUMPTIONS, projects: 2_000, files: 20_000, rememberedRequests: 300, largestFileBytes: 3e6 };
const run = { caches: [1e9], warmUp: 20_000, counted: 10_000 };

describe('the simulation of docs/scaling.md', () => {
  it('says the same every time', () => {
    assert.equal(report(small, run), report(small, run));
    assert.notEqual(report(small, run), report({ ...small, seed: 5 }, run));
  });

  it('computes what comes out when every request is run', () => {
    const population = populationOf(small, small.projectZipf);
    const bins = blobBins(population, small);
    assert.equal(population.files, small.files);
    assert.ok(Math.abs(bins.reduce((sum, { blobs, share }) => sum + blobs * share, 0) - 1) < 1e-9);
    for (const bytes of [5e7, 1e8, 5e8]) {
      const size = { bytes, remembered: small.rememberedRequests };
      const computed = cacheOutcome(bins, size);
      const found = runCache(population, small, { ...size, random: randomOf(7), warmUp: 1_000_000, counted: 200_000 });
      assert.ok(Math.abs(found.hits - computed.hits) < 0.03, `${bytes}: ${found.hits} and ${computed.hits}`);
    }
  });

  it('knows the ends: no cache, and one for everything', () => {
    const bins = blobBins(populationOf(small, small.projectZipf), small);
    assert.equal(cacheOutcome(bins, { bytes: 0, remembered: 300 }).hits, 0);
    assert.equal(cacheOutcome(bins, { bytes: 1e15, remembered: 300 }).hits, 1);
  });
});
