'use client';
import { load } from 'atrous-cam';
import { load as loadInWorker } from 'atrous-cam/worker';
import { createElement, useEffect, useState } from 'react';
import { explain } from '../src/explain.js';

const bytes = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
const createWorker = () => new Worker(new URL('../src/worker.js', import.meta.url), { type: 'module' });

/** A client component: it is rendered on the server too, and computes in the browser. */
export default function Page() {
  const [said, say] = useState('waiting');
  useEffect(() => {
    const compute = async () => {
      const files = { photo: await bytes('/photo.jpg'), weights: await bytes('/weights.h5') };
      const page = await explain(load, files);
      say(page.predictions[0].label);
      const worker = await explain(loadInWorker, files);
      return { page, worker, ownWorker: await explain(loadInWorker, files, { createWorker }) };
    };
    globalThis.answers ??= compute();
  }, []);
  return createElement('output', null, said);
}
