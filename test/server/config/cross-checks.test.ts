import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSettings } from '../../../server/config/check.ts';

const grant = { claims: { repository: 'acme/app' }, can: ['upload'] };
const paths = (issuers: unknown) => checkSettings({ oidc: { issuers } }).complaints.map(({ path }) => path);

test('issuers that would trust anybody, or be asked in the clear, are complaints and not a crash', () => {
  assert.deepEqual(paths([{ issuer: 'https://ci.example', grants: [grant] }]), []);
  assert.deepEqual(paths([{ issuer: 'http://127.0.0.1:9000', grants: [grant] }]), []);
  assert.deepEqual(paths([{ issuer: 'http://ci.example', grants: [grant] }]), ['oidc.issuers[0].issuer']);
  assert.deepEqual(paths([{ issuer: 'https://ci.example', grants: [{ ...grant, claims: { repository: '*' } }] }]), [
    'oidc.issuers[0].grants[0].claims',
  ]);
  assert.deepEqual(paths([{ issuer: 'https://ci.example', grants: [{ ...grant, claims: {} }] }]), [
    'oidc.issuers[0].grants[0].claims',
  ]);
  const twice = { issuer: 'https://ci.example', grants: [grant] };
  assert.deepEqual(paths([twice, twice]), ['oidc.issuers[1].issuer']);
});

test('applications are granted by the names that they have', () => {
  const issuers = [
    { issuer: 'https://ci.example', grants: [{ ...grant, apps: ['My_App', 'team-*'], projects: ['My_Pkg'] }] },
  ];
  const granted = checkSettings({ oidc: { issuers } }).settings?.oidc.issuers[0]?.grants[0];
  assert.deepEqual(granted?.apps, ['My_App', 'team-*']);
  assert.deepEqual(granted?.projects, ['my-pkg']);
});
