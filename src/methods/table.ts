import { lazy } from '../base/lazy.js';
import { operatorOf } from '../operators/table.js';
import { headOutput } from '../run/head-output.js';
import { view } from '../wasm/job.js';
import { gemmJob, matrix } from '../wasm/ops/gemm.js';
import { CAMS, type Cam, withWeights } from './cams.js';
import type { MethodName } from './facts.js';
import { camMaps } from './raw.js';
import { type LocatedMap, atInput as placeAtInput, type Work } from './work.js';

/** How a method makes its raw maps: of each layer that is to be explained, or of the input. */
export type Method = (work: Work) => Promise<LocatedMap[]>;

const cam = (work: Work, method: Cam) => camMaps(work, method.gradient, async () => method);

const atInput = async (work: Work, raw: Promise<LocatedMap['raw']>): Promise<LocatedMap[]> => [
  { raw: await raw, place: placeAtInput(work.shape) },
];

/** Methods that not every page needs are loaded when they are asked for. */
const load = {
  inputs: () => lazy(() => import('./input-gradients.js')),
  cams: () => lazy(() => import('./more-cams.js')),
};

/** Functions throughout: a bundler drops the table, and the kernels behind it, where nothing uses it; calls it would have to keep. */
export const METHOD_TABLE: Readonly<Record<MethodName, Method>> = {
  gradcam: (work) => cam(work, CAMS.gradcam),
  'gradcam++': (work) => cam(work, CAMS['gradcam++']),
  xgradcam: (work) => cam(work, CAMS.xgradcam),
  layercam: (work) => cam(work, CAMS.layercam),
  hirescam: (work) => cam(work, CAMS.hirescam),
  elementwise: (work) => cam(work, CAMS.elementwise),
  eigencam: (work) => cam(work, CAMS.eigencam),
  eigengradcam: (work) => cam(work, CAMS.eigengradcam),
  scorecam: async (work) => {
    const { scoreCamWeights } = await lazy(() => import('./score-cam.js'));
    return camMaps(work, false, async (field, layer) => withWeights(await scoreCamWeights(work, field, layer)));
  },
  ablationcam: async (work) => {
    const { ablationWeights } = await lazy(() => import('./ablation-cam.js'));
    const engine = { operatorOf, headOutput, view, gemmJob, matrix };
    return camMaps(work, false, async (field, layer) => withWeights(await ablationWeights(work, field, layer, engine)));
  },
  refinecam: (work) => cam(work, CAMS['gradcam++']),
  finercam: (work) => cam(work, CAMS.gradcam), // of another score, see calls/target.ts
  shapleycam: async (work) => {
    const { halfCurvature } = await lazy(() => import('./shapley-cam.js'));
    return camMaps(work, true, async (_, layer) => {
      const excess = await halfCurvature(work, layer);
      const weights: Cam['weights'] = async (points, pause) => {
        const alpha = await CAMS.gradcam.weights!(points, pause);
        return alpha.map((weight, k) => weight - (excess?.[k] ?? 0));
      };
      return { ...CAMS.gradcam, weights };
    });
  },
  segeigencam: async (work) => cam(work, (await load.cams()).segEigenCam),
  kpcacam: async (work) => (await lazy(() => import('./kpca-cam.js'))).kpcaCam(work),
  fem: async (work) => cam(work, (await load.cams()).fem),
  randomcam: async (work) => {
    const weights = (await load.cams()).randomWeights(work.request.seed);
    return camMaps(work, false, async ({ channels }) => withWeights([weights(channels)]));
  },
  fullgrad: async (work) => atInput(work, (await lazy(() => import('./full-grad.js'))).fullGrad(work)),
  'guided-backprop': async (work) => atInput(work, (await load.inputs()).guidedBackprop(work)),
  'guided-gradcam': async (work) => {
    const { guidedGradCam } = await load.inputs();
    return atInput(work, guidedGradCam(work, await cam(work, CAMS.gradcam)));
  },
  saliency: async (work) => atInput(work, (await load.inputs()).saliency(work)),
  smoothgrad: async (work) => atInput(work, (await load.inputs()).smoothgrad(work)),
  'integrated-gradients': async (work) => atInput(work, (await load.inputs()).integratedGradients(work)),
  occlusion: async (work) => atInput(work, (await lazy(() => import('./occlusion.js'))).occlusion(work)),
};
