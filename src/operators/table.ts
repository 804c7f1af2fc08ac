import type { Node, Operation } from '../graph/graph.js';
import { conv } from './conv.js';
import { dense } from './dense.js';
import type { Operator } from './operator.js';
import { activation, add, affine, channels, concat, layerNorm, multiply } from './pointwise.js';
import { global, pool } from './pool.js';

const input: Operator = { forward: () => [], backward: () => [] };

/** The operators by the name of the operation. */
const OPERATORS: { readonly [Op in Operation['op']]: Operator<never> } = {
  input,
  conv,
  pool,
  global,
  dense,
  affine,
  'layer-norm': layerNorm,
  activation,
  add,
  multiply,
  concat,
  channels,
};

export const operatorOf = (node: Node): Operator => OPERATORS[node.op] as Operator;
