import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLock, rewriteLock } from '../../../server/mirroring/lock-formats.ts';

const HERE = 'https://here.example/simple';

/** A release that a project takes from two indexes, by system, as uv writes it; and one that it takes from one of them. */
const lockOf = (indexes: readonly [string, string], files: readonly [string, string]): string => `version = 1

[[package]]
name = "mine"
version = "1"
source = { virtual = "." }
dependencies = [
    { name = "demo", version = "1.0", source = { registry = "${indexes[0]}" }, marker = "sys_platform == 'linux'" },
    { name = "demo", version = "1.0", source = { registry = "${indexes[1]}" }, marker = "sys_platform != 'linux'" },
    { name = "demo", version = "2.0", source = { registry = "${HERE}" } },
]

[[package]]
name = "demo"
version = "1.0"
source = { registry = "${indexes[0]}" }
wheels = [
    { url = "${files[0]}/demo-1.0-py3-none-any.whl", hash = "sha256:${'a'.repeat(64)}" },
]

[[package]]
name = "demo"
version = "1.0"
source = { registry = "${indexes[1]}" }
wheels = [
    { url = "${files[1]}/demo-1.0-py3-none-any.whl", hash = "sha256:${'a'.repeat(64)}" },
]

[[package]]
name = "demo"
version = "2.0"
source = { registry = "${HERE}" }
wheels = [
    { url = "${HERE}/demo/demo-2.0-py3-none-any.whl", hash = "sha256:${'b'.repeat(64)}" },
]
`;

test('a release of two indexes that become one stays two packages of a uv.lock, which may have none twice', () => {
  const [a, b] = ['https://a.example/simple', 'https://b.example/simple'] as const;
  const rewrite = (content: string): string =>
    rewriteLock(
      { name: 'uv.lock', content },
      { indexUrl: () => HERE, fileUrl: (url) => `${HERE}/demo/${url.split('/').at(-1)}` },
    ).content;
  const after = rewrite(lockOf([a, b], [a, b]));
  assert.equal(after, lockOf([HERE, b], [`${HERE}/demo`, `${HERE}/demo`]));
  assert.equal(rewrite(after), after);
  assert.equal(
    new Set(
      readLock({ name: 'uv.lock', content: after }).entries.map(
        (entry) => JSON.stringify(entry.source) + entry.version,
      ),
    ).size,
    4,
  );
  // One that is ours already is the one that stays ours.
  assert.equal(rewrite(lockOf([a, HERE], [a, b])), lockOf([a, HERE], [`${HERE}/demo`, `${HERE}/demo`]));
});
