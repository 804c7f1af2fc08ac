import { AtrousCamError } from '../base/errors.js';
import type { Preprocessing } from '../base/types.js';
import { NO_LOGITS } from '../graph/chain.js';
import type { Runtime } from '../wasm/runtime.js';
import type { PackedNetwork } from './packed-network.js';

/** A loaded network: what the calls below work on. */
export interface Loaded {
  readonly runtime: Runtime;
  readonly network: PackedNetwork;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  /** Where the evidence of layers lies beside the centres of their windows, in pixels of the input, as far as it is known, by node. */
  readonly evidence: Map<string, readonly [number, number]>;
}

/** Throws UNSUPPORTED for weights without classes. */
export function requireHead({ network }: Loaded): void {
  if (network.graph.logits === NO_LOGITS)
    throw new AtrousCamError(
      'UNSUPPORTED',
      'these weights have no dense layers, so there are no classes to predict or explain; load the full file',
    );
}
