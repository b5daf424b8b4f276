import { type FakeUpstream, fakeUpstream } from './fake-upstream.ts';
import { type TestApp, testApp } from './test-app.ts';
import { type BuiltFile, makeSdist, makeWheel } from './wheel.ts';

/** What tests of mirroring mirror. */
export const A1: BuiltFile = makeWheel({ name: 'alpha', version: '1.0', requiresDist: ['beta'] });
export const B1: BuiltFile = makeWheel({ name: 'beta', version: '1.0' });
const B2 = makeWheel({ name: 'beta', version: '2.0' });
const TAGS = [
  'cp311-cp311-manylinux_2_17_x86_64',
  'cp311-cp311-macosx_11_0_arm64',
  'cp312-cp312-manylinux_2_17_x86_64',
];
export const NATIVE: readonly BuiltFile[] = TAGS.map((tag) => makeWheel({ name: 'native', version: '1.0', tag }));
export const NATIVE_SDIST: BuiltFile = makeSdist({ name: 'native', version: '1.0' });

/** A server in front of an upstream that has alpha 1.0, beta 1.0 and 2.0, and native 1.0 for several platforms. */
export async function mirrorWorld(
  t: Parameters<typeof fakeUpstream>[0],
  more: Parameters<typeof testApp>[1] = {},
): Promise<{ up: FakeUpstream; app: TestApp }> {
  const up = await fakeUpstream(t);
  up.project('alpha').add(A1);
  up.project('beta').add(B1).add(B2);
  for (const file of [...NATIVE, NATIVE_SDIST]) up.project('native').add(file);
  return { up, app: await testApp(t, { upstream: up.url, ...more }) };
}

/** A requirements file that pins these files by hash. */
export function pins(...files: readonly BuiltFile[]): string {
  return files.map(({ name, version, sha256 }) => `${name}==${version} \\\n    --hash=sha256:${sha256}\n`).join('');
}

export const lockOf = (content: string): { name: string; content: string } => ({ name: 'requirements.txt', content });
