/**
 * Grad-CAM in workerd, the engine of Cloudflare Workers: POST a JPEG or PNG to / for classes, to /map.png for the map.
 * workerd compiles no WebAssembly and loads no chunk while it runs: the kernels are a module of the deployment, given to
 * `load`, and the bundler puts all else into one file.
 */
import { encodePng, load } from 'atrous-cam';
import kernels from 'atrous-cam/wasm/simd.wasm';

let network;

export default {
  async fetch(request) {
    if (request.method !== 'POST') return new Response('POST a JPEG or PNG\n', { status: 405 });
    network ??= load(undefined, { wasm: kernels });
    const net = await network;
    const { predictions, target, overlay } = await net.explain(await request.arrayBuffer(), { mode: 'pooled' });
    if (new URL(request.url).pathname !== '/map.png') return Response.json({ predictions, target });
    return new Response(encodePng(overlay()), { headers: { 'Content-Type': 'image/png' } });
  },
};
