import { runModule } from './run-module.js';

/** Runs a job here or in a module worker; resolves to JSON with typed arrays as base64 (see `decode` in harness.ts). */
globalThis.runJob = async ({ url, argument, where }) =>
  encode(await (where === 'worker' ? runInWorker(url, argument) : runModule(url, argument)));

function runInWorker(url, argument) {
  const worker = new Worker(new URL('run-worker.js', import.meta.url), { type: 'module' });
  return new Promise((done, fail) => {
    worker.onerror = (event) => fail(new Error(event.message || 'the worker did not start'));
    worker.onmessage = ({ data }) => ('error' in data ? fail(new Error(data.error)) : done(data.result));
    worker.postMessage({ url, argument });
  }).finally(() => worker.terminate());
}

function encode(result) {
  return JSON.stringify(result ?? null, (_, value) =>
    ArrayBuffer.isView(value) ? { $array: value.constructor.name, base64: base64(value) } : value,
  );
}

function base64(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = '';
  // 8192 at a time: one call with all bytes as arguments overflows the stack
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
