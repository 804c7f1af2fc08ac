import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './site.js';

/** How browsers are opened on an address; each gives a function that ends it. @type {Record<string, (path: string, url: string) => Promise<{ version?: string, close(): Promise<void> }>>} */
export const browsers = {
  /** Not over WebDriver BiDi, under which nested workers stall. */
  async Firefox(path, url) {
    const profile = mkdtempSync(join(tmpdir(), 'atrous-cam-firefox-'));
    writeFileSync(join(profile, 'user.js'), 'user_pref("browser.shell.checkDefaultBrowser", false);\n');
    const child = spawn(path, ['--headless', '--no-remote', '--profile', profile, url], { stdio: 'ignore' });
    const close = async () => {
      await ended(child);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    };
    return { close };
  },

  /** Page load strategy 'none': this build does not wait for what a page imports. Its shared memory has to be asked for. */
  async WebKitGTK(path, url) {
    const display = ':93';
    const screen = spawn('Xvfb', [display, '-screen', '0', '1280x1024x24'], { stdio: 'ignore' });
    const env = { ...process.env, DISPLAY: display, JSC_useSharedArrayBuffer: '1' };
    const port = await freePort();
    const driver = spawn(path, [`--port=${port}`], { stdio: 'ignore', env });
    const ask = async (at, body) => {
      const answer = await fetch(`http://127.0.0.1:${port}${at}`, { method: 'POST', body: JSON.stringify(body) });
      return (await answer.json()).value;
    };
    await listening(port);
    const capabilities = { alwaysMatch: { pageLoadStrategy: 'none' } };
    const { sessionId, capabilities: has } = await ask('/session', { capabilities });
    await ask(`/session/${sessionId}/url`, { url });
    const close = async () => {
      await fetch(`http://127.0.0.1:${port}/session/${sessionId}`, { method: 'DELETE' }).catch(() => undefined);
      await Promise.all([ended(driver), ended(screen)]);
    };
    return { version: has.browserVersion, close };
  },
};

/** @param {import('node:child_process').ChildProcess} child */
async function ended(child) {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  const late = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exit;
  clearTimeout(late);
}

/** @param {number} port */
async function listening(port) {
  for (let i = 0; i < 100; i++) {
    if (
      await fetch(`http://127.0.0.1:${port}/status`).then(
        () => true,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the WebDriver does not answer');
}
