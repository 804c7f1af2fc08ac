import { AtrousCamError } from '../../base/errors.js';
import type { NodeId } from '../../graph/graph.js';
import { knownBlocks } from '../family.js';
import type { TensorFile } from '../tensor-file.js';
import { type Architecture, type InputSize, placesOf } from './architecture.js';
import type { Place, StateDictionary } from './dictionary.js';
import { classifier, headInputs } from './head.js';
import type { Layers } from './layers.js';

/**
 * VGG with a head that is not torchvision's or timm's own: a pooled one, or other dense layers. Those with their own heads are read by
 * src/weights/torch.ts.
 */
export const vgg: Architecture = {
  family: 'a VGG network',
  find: (file) => vggPlaces(file).filter((place) => !hasOwnHead(file, place)),
  inputSide,
  build,
};

/** Where the features of VGG networks lie in a file. */
export const vggPlaces = (file: TensorFile): Place[] =>
  placesOf(file, [['features.0.weight', 4]]).filter(({ prefix }) => {
    const features = [...file.tensors].filter(([name]) => name.startsWith(`${prefix}features.`));
    return features.every(
      ([name, { shape }]) =>
        FEATURE.test(name.slice(prefix.length)) && (shape.length !== 4 || (shape[2] === 3 && shape[3] === 3)),
    );
  });

const FEATURE = /^features\.\d{1,6}\.(weight|bias|running_mean|running_var|num_batches_tracked)$/;
const OWN_HEAD = /^(classifier\.\d{1,6}|pre_logits\.fc[12]|head\.fc)\.(weight|bias)$/;

/** Whether the head's names are torchvision's (ReLU and dropout between dense layers) or timm's, on a flattened map. */
function hasOwnHead({ tensors }: TensorFile, { prefix }: Place): boolean {
  const names = [...tensors.keys()];
  const head = names.filter((name) => !name.startsWith(`${prefix}features.`));
  if (!head.every((name) => name.startsWith(prefix) && OWN_HEAD.test(name.slice(prefix.length)))) return false;
  const numbers = head
    .flatMap((name) => /\.(\d+)\.weight$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const last = names.filter((name) => name.startsWith(prefix) && tensors.get(name)!.shape.length === 4).at(-1);
  const isPooled =
    numbers.length > 0 &&
    tensors.get(`${prefix}classifier.${numbers[0]}.weight`)?.shape[1] === tensors.get(last!)!.shape[0];
  return !isPooled && numbers.every((number, i) => i === 0 || number === numbers[i - 1] + 3);
}

/** A convolution of `features` and the modules behind it. */
interface Conv {
  readonly number: number;
  readonly isNormed: boolean;
  /** Whether a pool follows. */
  readonly pooled: boolean;
}

/** Numbers tell: convolution, perhaps normalization, ReLU, perhaps a pool. */
function convolutions(tensors: StateDictionary): Conv[] {
  const numbers = tensors.children('features');
  const convs = numbers.filter((number) => tensors.shape(`features.${number}.weight`)?.length === 4);
  const found = convs.map((number, i): Conv => {
    const isNormed = tensors.has(`features.${number + 1}.running_mean`);
    const inBlock = number + (isNormed ? 3 : 2);
    const next = convs[i + 1];
    if (next !== undefined && next !== inBlock && next !== inBlock + 1)
      throw tensors.notUnderstood(
        `features.${next}.weight`,
        `expected number ${inBlock} or, behind a pool, ${inBlock + 1}`,
      );
    return { number, isNormed, pooled: next !== inBlock };
  });
  const blocks: number[] = [];
  let size = 0;
  for (const { pooled } of found) {
    size++;
    if (pooled) blocks.push(size);
    if (pooled) size = 0;
  }
  if (!Object.values(knownBlocks).some((known) => known.join() === blocks.join()))
    throw tensors.refused(`but has ${blocks.join(', ')} convolutions a block, unlike VGG11, 13, 16 and 19`);
  return found;
}

const lastChannels = (tensors: StateDictionary): number =>
  tensors.shape(`features.${convolutions(tensors).at(-1)!.number}.weight`)![0];

const inputsOf = (tensors: StateDictionary): number =>
  headInputs(
    tensors,
    tensors.unused().filter((name) => !name.startsWith('features.')),
  );

/** What the first dense layer was made for; 224 where it reads means. */
function inputSide(tensors: StateDictionary): number {
  const cells = Math.sqrt(inputsOf(tensors) / lastChannels(tensors));
  return Number.isInteger(cells) && cells > 1 ? 32 * cells : 224;
}

function build(layers: Layers, size: InputSize): NodeId {
  const { tensors } = layers;
  const side = inputSide(tensors);
  if (inputsOf(tensors) !== lastChannels(tensors) && size.some((pixels) => pixels !== side))
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `inputSize: expected ${side}, for which the dense layers were made, got ${size.join(' x ')}`,
    );
  let x = layers.input(size, 'features.0');
  for (const { number, isNormed, pooled } of convolutions(tensors)) {
    const name = (k: number) => `features.${number + k}`;
    x = layers.conv(x, name(0), { taps: 3 });
    if (isNormed) x = layers.norm(x, name(1));
    x = layers.activation(x, 'relu', name(isNormed ? 2 : 1));
    if (pooled) x = layers.maxPool(x, name(isNormed ? 3 : 2), 2, 2);
  }
  return classifier(layers, x, {
    module: 'classifier',
    relus: { 'classifier.0': 2, 'classifier.3': 2 },
    flattens: true,
  });
}
