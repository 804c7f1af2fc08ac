import { ablationWeights } from './ablation-cam.js';
import { CAMS, type Cam, withWeights } from './cams.js';
import type { MethodName } from './facts.js';
import { guidedBackprop, guidedGradCam, integratedGradients, saliency, smoothgrad } from './input-gradients.js';
import { occlusion } from './occlusion.js';
import { camMaps } from './raw.js';
import { scoreCamWeights } from './score-cam.js';
import { type LocatedMap, atInput as placeAtInput, type Work } from './work.js';

/** How a method makes its raw maps: of each layer that is to be explained, or of the input. */
export type Method = (work: Work) => Promise<LocatedMap[]>;

const cam = (work: Work, method: Cam) => camMaps(work, method.gradient, async () => method);

const atInput = async (work: Work, method: (work: Work) => Promise<LocatedMap['raw']>): Promise<LocatedMap[]> => [
  { raw: await method(work), place: placeAtInput(work.shape) },
];

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
  scorecam: (work) =>
    camMaps(work, false, async (field, layer) => withWeights(await scoreCamWeights(work, field, layer))),
  ablationcam: (work) =>
    camMaps(work, false, async (field, layer) => withWeights(await ablationWeights(work, field, layer))),
  refinecam: (work) => cam(work, CAMS['gradcam++']),
  'guided-backprop': (work) => atInput(work, guidedBackprop),
  'guided-gradcam': (work) => atInput(work, guidedGradCam),
  saliency: (work) => atInput(work, saliency),
  smoothgrad: (work) => atInput(work, smoothgrad),
  'integrated-gradients': (work) => atInput(work, integratedGradients),
  occlusion: (work) => atInput(work, occlusion),
};
