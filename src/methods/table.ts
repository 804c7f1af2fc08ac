import { ablationWeights } from './ablation-cam.js';
import { CAMS, type Cam, withWeights } from './cams.js';
import type { MethodName } from './facts.js';
import { guidedBackprop, guidedGradCam, integratedGradients, saliency, smoothgrad } from './input-gradients.js';
import { occlusion } from './occlusion.js';
import { camMaps } from './raw.js';
import { scoreCamWeights } from './score-cam.js';
import { AT_INPUT, type LocatedMap, type Work } from './work.js';

/** How a method makes its raw maps: of each layer that is to be explained, or of the input. */
export type Method = (work: Work) => Promise<LocatedMap[]>;

const cam =
  (method: Cam): Method =>
  (work) =>
    camMaps(work, method.gradient, async () => method);

const atInput =
  (method: (work: Work) => Promise<LocatedMap['raw']>): Method =>
  async (work) => [{ raw: await method(work), place: AT_INPUT }];

export const METHOD_TABLE: Readonly<Record<MethodName, Method>> = {
  gradcam: cam(CAMS.gradcam),
  'gradcam++': cam(CAMS['gradcam++']),
  xgradcam: cam(CAMS.xgradcam),
  layercam: cam(CAMS.layercam),
  hirescam: cam(CAMS.hirescam),
  elementwise: cam(CAMS.elementwise),
  eigencam: cam(CAMS.eigencam),
  eigengradcam: cam(CAMS.eigengradcam),
  scorecam: (work) =>
    camMaps(work, false, async (field, layer) => withWeights(await scoreCamWeights(work, field, layer))),
  ablationcam: (work) =>
    camMaps(work, false, async (field, layer) => withWeights(await ablationWeights(work, field, layer))),
  refinecam: cam(CAMS['gradcam++']),
  'guided-backprop': atInput(guidedBackprop),
  'guided-gradcam': atInput(guidedGradCam),
  saliency: atInput(saliency),
  smoothgrad: atInput(smoothgrad),
  'integrated-gradients': atInput(integratedGradients),
  occlusion: atInput(occlusion),
};
