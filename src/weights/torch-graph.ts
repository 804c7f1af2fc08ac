import { AtrousCamError } from '../base/errors.js';
import type { Graph } from '../graph/graph.js';
import { alexnet } from './architectures/alexnet.js';
import type { Architecture, InputSize } from './architectures/architecture.js';
import { convnext } from './architectures/convnext.js';
import { densenet } from './architectures/densenet.js';
import { type Place, StateDictionary } from './architectures/dictionary.js';
import { drn } from './architectures/drn.js';
import { efficientnet } from './architectures/efficientnet.js';
import { efficientnetFlat } from './architectures/efficientnet-flat.js';
import { googlenet, inceptionV3 } from './architectures/inception.js';
import { Layers } from './architectures/layers.js';
import { mnasnet } from './architectures/mnasnet.js';
import { mobileTimm } from './architectures/mobile-timm.js';
import { mobilenetV2, mobilenetV3 } from './architectures/mobilenet.js';
import { regnet } from './architectures/regnet.js';
import { resnet } from './architectures/resnet.js';
import { resnetCifar } from './architectures/resnet-cifar.js';
import { shufflenet } from './architectures/shufflenet.js';
import { squeezenet } from './architectures/squeezenet.js';
import { vgg } from './architectures/vgg.js';
import { badWeights, quote } from './source.js';
import type { TensorFile } from './tensor-file.js';
import type { Tensor } from './types.js';

/** A network that was recognised by the names and shapes of its tensors. */
export interface TorchGraph {
  /** For people: `a ResNet`. */
  readonly family: string;
  readonly graph: Graph;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** What neither names nor shapes tell, in sentences for people. */
  readonly assumptions: readonly string[];
}

export interface TorchGraphOptions {
  /** Side of the picture, or its rows and columns; by default what the network was made for. */
  inputSize?: number | InputSize;
}

const architectures: readonly Architecture[] = [
  resnet,
  resnetCifar,
  drn,
  mobilenetV2,
  mobilenetV3,
  efficientnet,
  squeezenet,
  densenet,
  convnext,
  mobileTimm,
  efficientnetFlat,
  vgg,
  googlenet,
  inceptionV3,
  shufflenet,
  regnet,
  mnasnet,
  alexnet,
];

/**
 * The network that a state dictionary of PyTorch holds, if it is one of the known families. Every tensor is used or ends the reading with
 * UNSUPPORTED, which names it. The tensors' numbers are read when they are asked for.
 *
 * @returns nothing where no family has such names
 */
export async function readTorchGraph(
  file: TensorFile,
  options: TorchGraphOptions = {},
): Promise<TorchGraph | undefined> {
  const found = architectures.flatMap((architecture) =>
    architecture.find(file).map((place) => ({ architecture, place })),
  );
  if (found.length === 0) return undefined;
  const [{ architecture, place }, other] = found;
  if (other) throw severalNetworks(file, place, other.place);
  const dictionary = new StateDictionary(file, architecture.family, place);
  try {
    return await understood(architecture, dictionary, options);
  } catch (error) {
    throw ofWholeNetwork(error, dictionary);
  }
}

async function understood(
  architecture: Architecture,
  dictionary: StateDictionary,
  options: TorchGraphOptions,
): Promise<TorchGraph> {
  const { family } = architecture;
  const layers = new Layers(dictionary);
  const { inputSize: side = architecture.inputSide(dictionary) } = options;
  const logits = architecture.build(layers, typeof side === 'number' ? [side, side] : side);
  const [stray] = dictionary.unused();
  if (stray !== undefined) throw dictionary.notUnderstood(stray);
  const { c } = layers.shape(logits);
  const { graph, tensors } = await layers.finish(logits, c === 1 ? 'sigmoid' : 'softmax');
  return { family, graph, tensors, assumptions: layers.assumptions };
}

/** An error of the graph's own checks, which do not know the file; pictures that are too small are not the file's fault. */
function ofWholeNetwork(error: unknown, dictionary: StateDictionary): unknown {
  if (!(error instanceof AtrousCamError) || !/^node "/.test(error.message)) return error;
  if (error.message.includes('too small')) return badWeights(dictionary.source, error.message);
  return dictionary.refused(`but ${error.message}`);
}

const severalNetworks = (file: TensorFile, { prefix }: Place, other: Place): Error =>
  badWeights(
    file.source,
    `expected one network, got several: names that begin with ${quote(prefix)} and with ${quote(other.prefix)}; save the one that is meant by itself`,
  );
