/** Any graph in all three modes, in plain float64: what the engine is judged by. It shares nothing with it but the graph's types. */
export { curveOf, erf } from './graph/activations.js';
export { dilate } from './graph/dilate.js';
export {
  atrous,
  type BackwardOptions,
  dilated,
  Evaluation,
  type GradientsOfScore,
  pooled,
  type Seed,
} from './graph/evaluate.js';
export {
  every,
  fieldOf,
  gradCam,
  gradientField,
  type PlainCam,
  type PlainField,
  type PlainHeads,
  scoreOf,
  seedsOf,
  shiftsOf,
} from './graph/fields.js';
export { ancestor, findLevels, type Level, type Levels, lattice, lowestShift } from './graph/levels.js';
export { classScore, type PlainScore, probabilities } from './graph/score.js';
export type { PlainGraph, PlainMap, PlainNode, PlainWeights, Shift } from './graph/types.js';
