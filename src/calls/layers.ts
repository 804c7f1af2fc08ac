import { AtrousCamError } from '../base/errors.js';
import { shown } from '../base/options.js';
import { didYouMean } from '../base/suggest.js';
import type { NodeId } from '../graph/graph.js';
import type { Layout } from '../graph/levels.js';
import { findNode, layerNames } from '../graph/names.js';

/** More names than these are not listed in messages. */
const SHOWN = 40;

/**
 * The node that a layer's name means: one with a map, in front of the head.
 *
 * @param option what the name was given for, for messages
 * @throws AtrousCamError BAD_ARGUMENT for a name that there is not, or one without a map
 */
export function readLayer(layout: Layout, name: string, option = 'layer'): NodeId {
  const { graph, placings } = layout;
  const id = typeof name === 'string' ? findNode(graph, name) : undefined;
  if (id !== undefined && id > 0 && !placings[id].vector && !placings[id].head) return id;
  const names = layerNames(graph);
  const some = names.length > SHOWN ? [...names.slice(0, 3), '...', ...names.slice(-SHOWN / 2)] : names;
  if (id !== undefined)
    throw new AtrousCamError(
      'BAD_ARGUMENT',
      `${option}: '${name}' has no map of its own; expected one of ${some.join(', ')}`,
    );
  throw new AtrousCamError(
    'BAD_ARGUMENT',
    `${option}: expected one of ${some.join(', ')}, got ${shown(name)}${didYouMean(String(name), names)}`,
  );
}
