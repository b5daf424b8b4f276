import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameFromFile } from '../../cli/bundle-name.ts';

test('application and version are told by the file name, whatever it ends in', () => {
  const names: readonly (readonly [string, string | undefined, string | undefined])[] = [
    ['dist/my-app-0.1.tar.gz', 'my-app', '0.1'],
    ['my-app-2-1.0rc1.tgz', 'my-app-2', '1.0rc1'],
    ['my_app-1.0-py3-none-any.whl', 'my_app', '1.0'],
    ['app-1.0.dev3.zip', 'app', '1.0.dev3'],
    ['app-1.0.dev3', 'app', '1.0.dev3'],
    ['app-1.0.post1', 'app', '1.0.post1'],
    ['app-1.0', 'app', '1.0'],
    ['app-3.3.bin', 'app', '3.3'],
    ['app-v3.3.AppImage', 'app', 'v3.3'],
    ['app-1.0.RELEASE.jar', 'app', '1.0.RELEASE'],
    ['app-1.0+build.7.deb', 'app', '1.0+build.7'],
    ['bundle.tar.gz', 'bundle', undefined],
    ['bundle.bin', undefined, undefined],
  ];
  for (const [path, app, version] of names) {
    const told = nameFromFile(path);
    assert.deepEqual([told.app, told.version], [app, version], path);
  }
});
