import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cycloneDx } from '../../../server/bundles/sbom.ts';
import type { BundleVersion } from '../../../server/model/bundle.ts';

test('addresses and package URLs of a bill of materials are spelt as their standards have them', () => {
  const version = {
    ...{
      app: 'myapp',
      version: '1',
      filename: 'myapp-1.tar.gz',
      digest: '0'.repeat(64),
      createdAt: 0,
      createdBy: 'ci',
    },
    buildUrl: 'https://ci.example/job/my app/1',
  } as unknown as BundleVersion;
  const bom = cycloneDx(version, [{ name: 'demo', version: '1!2.0+local', path: 'vendors/demo-1!2.0.dist-info' }]);
  const { component } = bom.metadata as { component: { externalReferences: readonly { url: string }[] } };
  assert.equal(component.externalReferences[0]?.url, 'https://ci.example/job/my%20app/1');
  const [demo] = bom.components as readonly { purl: string }[];
  assert.equal(demo?.purl, 'pkg:pypi/demo@1%212.0%2Blocal');
});
