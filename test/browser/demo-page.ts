/** The page of `atrous-cam serve` in a real Chromium, for the tests that use it as a visitor does. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { start } from '../e2e/command.js';
import { type Browser, root, startBrowser } from './harness.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** The README's pictures where `npm run screenshots` asks for them. */
export const pictures = join(root, process.env.ATROUS_CAM_PICTURES === 'docs' ? 'docs' : 'build/screenshots');

let server: ChildProcess;
export let site: { origin: string } & AsyncDisposable;
let browser: Browser;
export let page: Page;
export let requests: string[];
/** What went wrong on the page that nobody was told of. */
export let problems: string[];

/** Serves the page and starts a browser for the tests of a file. */
export function usePage(): void {
  beforeAll(async () => {
    server = start(['serve']).child;
    const text = await new Promise<string>((resolve) => server.stdout!.once('data', (data) => resolve(String(data))));
    site = { origin: /http:\S+(?=\/)/.exec(text)![0], [Symbol.asyncDispose]: async () => {} };
    browser = await startBrowser();
    mkdirSync(pictures, { recursive: true });
  });
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    server.kill();
  });
}

/** Opens the page in a fresh browser profile. `prepare` runs on it before its own code. */
export async function open(address = '', prepare: () => void = () => {}, from = site, path = '/'): Promise<void> {
  page = await browser.page(from, from === site ? '/nothing-yet' : undefined);
  [requests, problems] = [[], []];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    const isOfPage = !/\/(nothing-yet|favicon\.ico)$/.test(message.location().url); // not of where the tab was before
    if (message.type() === 'error' && isOfPage) problems.push(`${message.text()} ${message.location().url}`);
  });
  await page.addInitScript(prepare);
  await page.goto(from.origin + path + address);
}
export const text = (id: string) => page.locator(`#${id}`).textContent();
export const done = () =>
  page.waitForFunction(() => document.getElementById('status')!.textContent!.startsWith('Done'));
/** Clicks, and waits for what is then computed. */
export async function act(action: () => Promise<unknown>): Promise<void> {
  await page.evaluate(() => {
    document.getElementById('status')!.textContent = 'waiting for the test';
  });
  await action();
  await done();
}
export async function saved(id: string): Promise<{ name: string; path: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#${id}`)]);
  return { name: download.suggestedFilename(), path: await download.path() };
}
export const choose = (side: 'left' | 'right', view: string) => page.check(`input[name=${side}][value=${view}]`);

export async function expectAccessible(): Promise<void> {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    return (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
  expect(violations).toEqual([]);
}
