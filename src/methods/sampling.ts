/** How many inputs the methods that sample evaluate; what they cost is in facts.ts. */

/** Noisy inputs of SmoothGrad. */
export const NOISY_INPUTS = 25;
/** Points between the baseline and the input at which integrated gradients are evaluated. */
export const MIDPOINTS = 32;
/** Occlusion: side of the window and its step, as shares of the input's side. */
export const OCCLUSION = { window: 1 / 8, step: 1 / 16 };
/** Windows along a side. */
export const OCCLUSION_STEPS = (1 - OCCLUSION.window) / OCCLUSION.step + 1;
/** Passes that ShapleyCAM's second term takes for a layer, at most. */
export const CURVATURE_PASSES = 4;
