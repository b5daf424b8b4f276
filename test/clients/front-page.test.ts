import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import { fakeUpstream } from '../support/fake-upstream.ts';
import { skipOrFail } from '../support/skip.ts';
import { testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

const CHROMIUM = '/usr/bin/chromium';
// So that it asks nobody but the page that it is sent to.
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

test('the front page in a real browser: readable, accessible, without script, and honest about the upstream', {
  skip: existsSync(CHROMIUM) ? false : skipOrFail('Chromium is not installed'),
}, async (t) => {
  const up = await fakeUpstream(t);
  up.project('demo').add(makeWheel({ name: 'demo', version: '1.0' }));
  const app = await testApp(t, { upstream: up.url });
  await (await app.get('/simple/demo/')).text();

  const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
  t.after(() => browser.close());
  const context = await browser.newContext();
  const page = await context.newPage();
  const refused: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') refused.push(message.text());
  });
  await page.goto(`${app.url}/`);
  assert.equal(await page.title(), 'Stormcellar');
  assert.ok((await page.textContent('body'))?.includes(`pip install --index-url ${app.url}/simple/`));
  assert.ok(await page.getByText('answers', { exact: true }).isVisible());
  const font = await page.evaluate<string>('getComputedStyle(document.body).fontFamily');
  assert.match(font, /sans-serif/, 'the style sheet has come');
  assert.equal(await page.locator('script').count(), 0);
  assert.deepEqual(refused, [], 'nothing on the page is against its own policy');

  const found = await new AxeBuilder({ page }).analyze();
  assert.deepEqual(
    found.violations.map(({ id, nodes }) => `${id}: ${nodes.length}`),
    [],
  );

  await page.getByRole('link', { name: 'Projects' }).click();
  await page.waitForURL('**/simple/');
  await page.getByRole('link', { name: 'demo' }).click();
  await page.waitForURL('**/simple/demo/');
  assert.ok(await page.getByRole('link', { name: 'demo-1.0-py3-none-any.whl' }).isVisible());
});
