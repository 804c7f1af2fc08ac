import { load } from 'atrous-cam';
import { load as loadInWorker } from 'atrous-cam/worker';
import { explain } from '../../../src/explain.js';

const bytes = async (file) => new Uint8Array(await file.arrayBuffer());

/** A route handler in Node: the same answers as on the page. */
export async function POST(request) {
  const form = await request.formData();
  const files = { photo: await bytes(form.get('photo')), weights: await bytes(form.get('weights')) };
  return Response.json({ page: await explain(load, files), worker: await explain(loadInWorker, files) });
}
