import { AtrousCamError } from '../../base/errors.js';
import type { HeadKind, Node, NodeId } from '../../graph/graph.js';
import { badWeights, quote } from '../source.js';
import { channelRuns, positions } from './layout.js';
import type { Translation } from './translation.js';
import type { Value } from './values.js';

/** A vector of classes that the file gives out. */
interface Answer {
  readonly name: string;
  readonly logits: NodeId;
  /** Where the file has the probabilities. */
  readonly head?: HeadKind;
}

/**
 * The network's answer among what the file gives out: the output that is asked for, else the vector of classes; of several, the one with
 * probabilities, else the one that is computed last from all others.
 */
export function answerOf(
  to: Translation,
  outputs: readonly { name: string; value: Value | undefined }[],
  wanted?: string,
): Answer {
  const asked = wanted === undefined ? outputs : outputs.filter(({ name }) => name === wanted);
  if (asked.length === 0) {
    const names = outputs.map(({ name }) => quote(name)).join(', ');
    throw new AtrousCamError('BAD_ARGUMENT', `output: expected one of ${names}, got ${quote(wanted ?? '')}`);
  }
  const errors: unknown[] = [];
  const answers: Answer[] = [];
  for (const { name, value } of asked)
    try {
      answers.push(readAnswer(to, name, value));
    } catch (error) {
      if (!(error instanceof AtrousCamError)) throw error;
      errors.push(error);
    }
  if (answers.length === 0) throw errors[0];
  const found = choose(to, answers);
  if (found) return found;
  const names = answers.map(({ name }) => quote(name)).join(', ');
  throw new AtrousCamError(
    'UNSUPPORTED',
    `weights ${quote(to.source)}: ONNX: it is unclear which output has the classes: ${names}; say so by the option output`,
  );
}

function choose(to: Translation, answers: readonly Answer[]): Answer | undefined {
  const withHead = answers.filter(({ head }) => head);
  for (const candidates of [withHead, answers]) {
    const different = new Set(candidates.map(({ logits }) => logits));
    const last = Math.max(...different);
    const before = ancestors(to, last);
    if (candidates.length > 0 && [...different].every((id) => id === last || before.has(id)))
      return candidates.find(({ logits }) => logits === last);
    if (candidates.length > 0) return undefined;
  }
  return undefined;
}

function ancestors(to: Translation, id: NodeId): Set<NodeId> {
  const found = new Set([id]);
  for (let at = id; at >= 0; at--) if (found.has(at)) for (const from of to.node(at).from) found.add(from);
  return found;
}

/** An output as a vector of classes; throws where it is none. */
function readAnswer(to: Translation, name: string, value: Value | undefined): Answer {
  const bad = (what: string) => badWeights(to.source, `ONNX: output ${quote(name)}: ${what}`);
  if (value?.kind === 'failure') {
    if (value.behind && value.behind.kind !== 'failure') return readAnswer(to, name, value.behind);
    throw value.error;
  }
  if (!value || value.kind === 'constant') throw bad('it does not depend on the picture');
  if (value.kind === 'form' && value.form.f !== 'softmax') throw bad(`it is ${value.what}, which is not understood`);
  const { h, w, c } = to.shape(value.node);
  if (h * w > 1) throw bad(`expected a number for each class, got a map of ${h} x ${w} points`);
  if (!positions(channelRuns(value.dims), 'c').every((channel, i) => channel === i))
    throw bad('its classes are shuffled');
  if (value.kind === 'form') {
    if (c < 2) throw bad('a softmax of one class is always 1; export the network without it');
    return { name, logits: value.node, head: 'softmax' };
  }
  const node = to.node(value.node);
  if (node.op === 'activation' && node.activation.f === 'sigmoid')
    return { name, logits: node.from[0], head: 'sigmoid' };
  refuseMadeOfProbabilities(to, node, bad);
  return { name, logits: value.node };
}

/** What is computed from a sigmoid without weights is neither logits nor what a head gives. */
function refuseMadeOfProbabilities(to: Translation, last: Node, bad: (what: string) => Error): void {
  const seen = new Set<NodeId>();
  const waiting = [last];
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (['conv', 'dense', 'global', 'pool', 'input'].includes(node.op)) continue;
    if (node.op === 'activation' && ['sigmoid', 'hard-sigmoid'].includes(node.activation.f))
      throw bad(
        `it is made of probabilities, those of ${quote(node.name)}; export the network with those as its output`,
      );
    for (const from of node.from)
      if (!seen.has(from)) {
        seen.add(from);
        waiting.push(to.node(from));
      }
  }
}
