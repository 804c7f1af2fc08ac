import { AtrousCamError, type Explanation, encodeNpy, encodePng, inspect, load, type Network } from 'atrous-cam';
import { init } from 'atrous-cam/kernels';

/** Never run: it compiles, or the declarations are wrong for users. */
export async function use(photo: Uint8Array): Promise<string> {
  const net: Network = await load(undefined, { threads: 1, kernels: 'simd', precision: 'exact' });
  try {
    const explanation: Explanation = await net.explain(photo, {
      mode: 'atrous',
      onProgress: ({ done, map }) => console.log(done.toFixed(2), map?.length),
    });
    encodeNpy(explanation.raw.data, [explanation.raw.height, explanation.raw.width]);
    encodePng(explanation.overlay({ colormap: 'turbo', alpha: 0.5 }));
    return explanation.target.label;
  } catch (error) {
    if (error instanceof AtrousCamError && error.code === 'BAD_IMAGE') return error.message;
    throw error;
  } finally {
    net.dispose();
  }
}

export const cost = async (): Promise<number> => (await inspect()).plan('atrous', { outputStride: 4 }).macs;

export async function convolve(x: Float32Array, w: Float32Array): Promise<Float32Array> {
  const k = await init({ threads: 1 });
  return k.conv2d({ x, shape: [1, 4, 4, 4], w, cout: 4 });
}

// @ts-expect-error a mode that does not exist
export const wrong = async () => (await load()).explain('photo.jpg', { mode: 'dense' });
