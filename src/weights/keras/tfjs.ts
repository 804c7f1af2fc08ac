import { AtrousCamError } from '../../base/errors.js';
import type { OpenSibling } from '../onnx/siblings.js';
import { type ByteSource, badWeights, quote } from '../source.js';
import { type GraphOptions, readKerasGraph } from './graph.js';
import { parseJson } from './json.js';
import type { OpenedGraph } from './open.js';
import { readManifest } from './tfjs-manifest.js';

const longestText = 64 << 20;

/**
 * The network of a layers-model of TensorFlow.js: `model.json`, which has Keras' configuration, and files of numbers beside it. Throws
 * UNSUPPORTED for a graph-model, whose layers are dissolved, NOT_FOUND where a file is missing, and what `readKerasGraph` throws.
 *
 * @param open opens a file by its path from the model's folder
 */
export async function openTfjs(
  source: ByteSource,
  open: OpenSibling | undefined,
  options: GraphOptions = {},
): Promise<OpenedGraph> {
  const { format, modelTopology, weightsManifest } = await readModel(source);
  const topology = fields(typeof modelTopology === 'string' ? parse(source, modelTopology) : modelTopology);
  if (format === 'graph-model' || 'node' in topology)
    throw new AtrousCamError(
      'UNSUPPORTED',
      `weights ${quote(source.name)}: a graph-model of TensorFlow.js, whose layers are dissolved; convert the Keras model to a layers-model or to ONNX instead`,
    );
  const { model_config: inner, keras_version: version } = topology;
  const { arrays, close } = await readManifest(source, weightsManifest, open);
  try {
    const network = await readKerasGraph(
      {
        source: source.name,
        config: JSON.stringify(inner ?? topology),
        // TensorFlow.js itself follows Keras 2.
        ...(typeof version === 'string' && { version: version.replace(/^tfjs.*/, '2') }),
        contents: { layout: 'flat', groups: [{ name: '', arrays, groups: [] }] },
      },
      options,
    );
    return { ...network, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function readModel(source: ByteSource): Promise<Record<string, unknown>> {
  if (source.size > longestText)
    throw badWeights(source.name, `expected a model.json of at most ${longestText} bytes, got ${source.size}`);
  return fields(parse(source, new TextDecoder().decode(await source.read(0, source.size))));
}

function parse(source: ByteSource, text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw badWeights(source.name, 'expected a model.json of TensorFlow.js, got no JSON; the file is damaged', {
      cause,
    });
  }
}

const fields = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
