import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { hostName, namePattern, network, parseIndexAddress, plainUrl } from '../../../server/config/values.ts';

const accepts = (schema: z.ZodType, values: readonly string[]) => {
  for (const value of values) assert.equal(schema.safeParse(value).success, true, value);
};
const refuses = (schema: z.ZodType, values: readonly string[]) => {
  for (const value of values) assert.equal(schema.safeParse(value).success, false, value);
};

test('the address of an index has its credentials taken out and ends in a slash', () => {
  assert.deepEqual(parseIndexAddress('https://index.example/simple'), {
    url: 'https://index.example/simple/',
    username: null,
    password: null,
  });
  assert.deepEqual(parseIndexAddress('https://me:s%40crt@index.example:8443/simple/'), {
    url: 'https://index.example:8443/simple/',
    username: 'me',
    password: 's@crt',
  });
  assert.deepEqual(parseIndexAddress('https://token@index.example'), {
    url: 'https://index.example/',
    username: 'token',
    password: '',
  });
});

test('what is no address of an index is refused', () => {
  for (const text of ['', 'index.example', 'ftp://index.example/', 'file:///x', 'https://a%b:c@x.example/%']) {
    assert.equal(parseIndexAddress(text), undefined, text);
  }
  assert.equal(parseIndexAddress('https://index.example/simple/?a=b'), undefined);
  assert.equal(parseIndexAddress('https://index.example/simple/#x'), undefined);
});

test('plain addresses have no credentials', () => {
  accepts(plainUrl(), ['http://127.0.0.1:9000', 'https://index.example/a/b?c=d']);
  refuses(plainUrl(), ['https://me:secret@index.example/', 'index.example', 'mailto:me@index.example', '']);
});

test('patterns are names or end in a star, and are normalised', () => {
  assert.equal(namePattern().parse('Acme_Tools.*'), 'acme-tools-*');
  assert.equal(namePattern().parse('Acme_Tools'), 'acme-tools');
  accepts(namePattern(), ['*', 'a', 'acme*', 'acme-*']);
  refuses(namePattern(), ['', '*-acme', 'ac*me', '**', '-acme', 'acme-', 'a b']);
});

test('networks and hosts', () => {
  accepts(network(), ['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8']);
  refuses(network(), ['localhost', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/8/8', '10.0.0.0/', '']);
  accepts(hostName(), ['git.example', 'git.example:8443', '127.0.0.1:9', '[::1]:9']);
  refuses(hostName(), ['https://git.example', 'git.example/x', 'me@git.example', '', 'a b']);
  assert.equal(hostName().parse('Git.Example'), 'git.example');
});
