import type { NodeId } from '../../graph/graph.js';
import type { TensorFile } from '../tensor-file.js';
import type { Place, StateDictionary } from './dictionary.js';
import type { Layers } from './layers.js';

/** Rows and columns of the picture. */
export type InputSize = readonly [number, number];

/** A family of networks that its tensors' names and shapes tell apart from all others. */
export interface Architecture {
  /** For messages: `a ResNet`. */
  readonly family: string;
  /** Where networks of this family lie in a file: nothing, one place, or several. */
  find(file: TensorFile): Place[];
  /** Side of the picture that the network was made for. */
  inputSide(tensors: StateDictionary): number;
  /** Makes the network and returns its logits; throws UNSUPPORTED where a tensor is not as the family has it. */
  build(layers: Layers, size: InputSize): NodeId;
}

/**
 * Places where a tensor of that name and number of dimensions is found, whatever comes before it, and all others beside it.
 *
 * @example placesOf(file, [['layer1.0.conv1.weight', 4], ['conv1.weight', 4]])
 */
export function placesOf({ tensors }: TensorFile, wanted: readonly (readonly [string, number])[]): Place[] {
  const [[first]] = wanted;
  const prefixes = [...tensors.keys()]
    .filter((name) => name === first || name.endsWith(`.${first}`))
    .map((name) => name.slice(0, name.length - first.length));
  const isThere = (prefix: string) =>
    wanted.every(([name, dimensions]) => tensors.get(`${prefix}${name}`)?.shape.length === dimensions);
  return prefixes.filter(isThere).map((prefix) => ({ prefix }));
}
