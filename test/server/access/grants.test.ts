import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allows, covers, normaliseGrant } from '../../../server/access/grants.ts';
import type { Action, Grant, Resource } from '../../../server/model/access.ts';
import { Problem } from '../../../server/problem.ts';

const project = (name: string): Resource => ({ kind: 'project', name });
const app = (name: string): Resource => ({ kind: 'app', name });
const server: Resource = { kind: 'server' };

describe('what a grant allows', () => {
  const cases: readonly [Grant, Action, Resource, boolean][] = [
    [{ can: ['read'] }, 'read', project('x'), true],
    [{ can: ['read'] }, 'read', server, true],
    [{ can: ['read'] }, 'upload', project('x'), false],
    [{ can: ['upload'] }, 'read', project('x'), false],
    [{ can: ['admin'] }, 'bundle', app('x'), true],
    [{ can: ['admin'] }, 'admin', server, true],
    [{ can: ['upload'], projects: ['acme-*'] }, 'upload', project('acme-lib'), true],
    [{ can: ['upload'], projects: ['acme-*'] }, 'upload', project('acme'), false],
    [{ can: ['upload'], projects: ['acme-*'] }, 'upload', project('other'), false],
    [{ can: ['upload'], projects: ['acme'] }, 'upload', project('acme-lib'), false],
    [{ can: ['upload'], projects: [] }, 'upload', project('acme'), false],
    [{ can: ['bundle'], apps: ['shop'] }, 'bundle', app('shop'), true],
    [{ can: ['bundle'], apps: ['shop'] }, 'bundle', app('Shop'), false],
    [{ can: ['read'], apps: ['shop'] }, 'read', project('anything'), true],
    [{ can: ['admin'], projects: ['acme-*'] }, 'admin', project('acme-lib'), true],
    [{ can: ['admin'], projects: ['acme-*'] }, 'admin', project('other'), false],
    [{ can: ['admin'], projects: ['acme-*'] }, 'admin', server, false],
    [{ can: ['admin'], apps: ['shop'] }, 'admin', server, false],
    [{ can: ['read'], projects: ['acme-*'] }, 'read', server, false],
    [{ can: [] }, 'read', project('x'), false],
  ];
  for (const [grant, action, on, expected] of cases) {
    it(`${JSON.stringify(grant)}: ${action} on ${JSON.stringify(on)} is ${expected}`, () => {
      assert.equal(allows(grant, action, on), expected);
    });
  }
});

describe('whether one grant covers another', () => {
  const cases: readonly [outer: Grant, inner: Grant, boolean][] = [
    [{ can: ['admin'] }, { can: ['read', 'admin'] }, true],
    [{ can: ['read'] }, { can: ['admin'] }, false],
    [{ can: ['read'] }, { can: ['read'], projects: ['a'] }, true],
    [{ can: ['read'], projects: ['a'] }, { can: ['read'] }, false],
    [{ can: ['admin'], projects: ['a-*'] }, { can: ['read'], projects: ['a-b', 'a-c*'] }, true],
    [{ can: ['admin'], projects: ['a-*'] }, { can: ['read'], projects: ['a*'] }, false],
    [{ can: ['admin'], projects: ['a-b'] }, { can: ['read'], projects: ['a-b*'] }, false],
    [{ can: ['admin'], apps: ['x'] }, { can: ['bundle'] }, false],
    [{ can: ['admin'], apps: ['x'] }, { can: ['bundle'], apps: [] }, true],
  ];
  for (const [outer, inner, expected] of cases) {
    it(`${JSON.stringify(outer)} over ${JSON.stringify(inner)}: ${expected}`, () => {
      assert.equal(covers(outer, inner), expected);
    });
  }
});

describe('a grant as people write it', () => {
  it('has its project names normalised, app names kept', () => {
    const grant = normaliseGrant({
      can: ['upload', 'read', 'read'],
      projects: ['Acme_Lib', 'acme.lib', 'ACME--*'],
      apps: ['Shop_1'],
    });
    assert.deepEqual(grant, { can: ['read', 'upload'], projects: ['acme-lib', 'acme-*'], apps: ['Shop_1'] });
  });

  it('has no list where * names everything, or null does', () => {
    assert.deepEqual(normaliseGrant({ can: ['read'], projects: ['a', '*'], apps: null }), { can: ['read'] });
  });

  it('is refused with a pattern that is none', () => {
    for (const pattern of ['', 'a*b', '*a', '**', 'a b', '-a', 'a/b', 'a\n', '../x', 'é']) {
      assert.throws(
        () => normaliseGrant({ can: ['read'], projects: ['fine', pattern] }),
        (error) => error instanceof Problem && error.slug === 'malformed-request',
        JSON.stringify(pattern),
      );
    }
  });
});
