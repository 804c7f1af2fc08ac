/** The job on a page, then the page of `atrous-cam serve` in a frame; what came of them is posted to the server. */
import { photo, weightFiles } from './files.js';
import job from './job.js';

const LONGEST = 50_000;
const bytesOf = async (path) => new Uint8Array(await (await fetch(`/${path}`)).arrayBuffer());

/**
 * Waits until the page has painted a map and is done, asks for the sharpest one, which a slow machine waits to be asked for, and waits for that;
 * gives the maps that it has shown, by what it calls them, and its errors.
 */
async function visit() {
  const frame = document.createElement('iframe');
  frame.src = '/dist/demo/index.html';
  frame.style.cssText = 'width: 1200px; height: 900px';
  const problems = [];
  document.body.append(frame);
  frame.contentWindow.addEventListener('error', ({ message }) => problems.push(message));
  frame.addEventListener('load', () => {
    frame.contentWindow.addEventListener('error', ({ message }) => problems.push(message));
    frame.contentWindow.addEventListener('unhandledrejection', ({ reason }) => problems.push(String(reason)));
  });
  const text = (id) => frame.contentDocument?.getElementById(id)?.textContent ?? '';
  const seen = new Set();
  const note = () => {
    const shown = text('right-tag');
    if (shown && !shown.endsWith('not yet')) seen.add(shown);
  };
  const until = performance.now() + LONGEST;
  let watched;
  /** Maps that were shown when the sharpest was asked for. */
  let before = 0;
  const isDone = () => {
    if (!text('status').startsWith('Done') || seen.size === 0) return false;
    if (before > 0) return seen.size > before;
    before = seen.size;
    frame.contentDocument.getElementById('sharpest').click();
    return false;
  };
  while (!isDone() && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const tag = frame.contentDocument?.getElementById('right-tag');
    if (tag && tag !== watched)
      new MutationObserver(note).observe(tag, { childList: true, characterData: true, subtree: true });
    watched = tag;
    note();
  }
  return { status: text('status'), maps: [...seen], machine: text('machine'), problems };
}

async function all() {
  const weights = {};
  for (const path of weightFiles) weights[path] = await bytesOf(path);
  const result = await job({ dist: new URL('/dist/', location.href).href, photo: await bytesOf(photo), weights });
  return { ...result, page: await visit() };
}

const report = await all().catch((error) => ({ error: `${error.code ?? error.name}: ${error.message}` }));
await fetch('/result', { method: 'POST', body: JSON.stringify({ ...report, agent: navigator.userAgent }) });
