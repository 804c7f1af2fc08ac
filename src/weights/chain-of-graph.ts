import { chainGraph } from '../graph/chain.js';
import type { Graph, Node, NodeOf } from '../graph/graph.js';
import { readTopology } from '../graph/topology.js';
import type { ChainWeights, ConvWeights, DenseWeights, NetworkWeights, Tensor } from './types.js';

/** A graph and its weights by the names that they have in it. */
type Network = Pick<NetworkWeights, 'graph' | 'tensors'>;

/** Blocks of the networks that training knows. */
const BLOCKS = 5;

/**
 * The same network as one of VGG's family, with its layers' usual names (`block1_conv1` ... `predictions`) before the file's own: five blocks of
 * 3x3 convolutions with ReLU, a 2x2 max pool after each, then dense layers with ReLU between them. Undefined where it is another one.
 */
export function asChain({ graph, tensors }: Network): (Network & { chain: ChainWeights }) | undefined {
  const chain = chainOf(graph, tensors);
  if (!chain) return undefined;
  const usual = chainGraph(readTopology(chain));
  if (usual.nodes.length !== graph.nodes.length) return undefined;
  const nodes = usual.nodes.map((node, id): Node => {
    const { name, aliases } = graph.nodes[id];
    return { ...node, aliases: [name, ...aliases].filter((alias) => alias !== node.name) };
  });
  const renamed = new Map(
    [...chain.blocks.flat(), ...chain.dense].flatMap(({ name, kernel, bias }): [string, Tensor][] => [
      [`${name}.kernel`, kernel],
      [`${name}.bias`, bias],
    ]),
  );
  return { graph: { ...usual, nodes }, tensors: renamed, chain };
}

function chainOf({ nodes, head, logits }: Graph, tensors: Network['tensors']): ChainWeights | undefined {
  const [{ shape: input }] = nodes;
  const isLine = nodes.every(({ from }, id) =>
    id === 0 ? from.length === 0 : from.length === 1 && from[0] === id - 1,
  );
  const isSquare = input.h === input.w && input.c === 3 && input.h % 2 ** BLOCKS === 0;
  if (!isLine || !isSquare || head !== 'softmax' || logits !== nodes.length - 1) return undefined;
  const weights = (node: Node, name: string) => ({
    name,
    kernel: tensors.get(`${node.name}.kernel`)!,
    bias: tensors.get(`${node.name}.bias`)!,
  });
  const blocks: ConvWeights[][] = [[]];
  let at = 1;
  for (; blocks.length <= BLOCKS; ) {
    const node = nodes[at];
    const block = blocks[blocks.length - 1];
    if (node?.op === 'conv' && isUsual(node) && isRelu(nodes[at + 1])) {
      block.push(weights(node, `block${blocks.length}_conv${block.length + 1}`));
      at += 2;
    } else if (node?.op === 'pool' && isHalving(node) && block.length > 0) {
      blocks.push([]);
      at++;
    } else return undefined;
  }
  blocks.pop();
  const dense: DenseWeights[] = [];
  for (; at < nodes.length; ) {
    const [node, next] = [nodes[at], nodes[at + 1]];
    if (node.op !== 'dense' || (next && !isRelu(next))) return undefined;
    dense.push(weights(node, next ? `fc${dense.length + 1}` : 'predictions'));
    at += 2;
  }
  return dense.length > 0 ? { blocks, dense, inputSize: input.h } : undefined;
}

/** A 3x3 convolution with zero padding 'same'. */
function isUsual({ groups, window }: NodeOf<'conv'>): boolean {
  const { rows, columns, stride, dilation, top, left } = window;
  return groups === 1 && rows === 3 && columns === 3 && stride === 1 && dilation === 1 && top === 1 && left === 1;
}

function isHalving({ kind, window }: NodeOf<'pool'>): boolean {
  const { rows, columns, stride, dilation, top, left } = window;
  return kind === 'max' && rows === 2 && columns === 2 && stride === 2 && dilation === 1 && top === 0 && left === 0;
}

const isRelu = (node: Node | undefined): boolean => node?.op === 'activation' && node.activation.f === 'relu';
