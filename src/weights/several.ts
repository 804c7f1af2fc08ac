import { AtrousCamError } from '../base/errors.js';
import { sniffFormat } from './format.js';
import type { OpenSibling } from './onnx/siblings.js';
import { openSource, quote, type SingleSource } from './source.js';

const most = 300;

/**
 * Which of several files is the model, and how the others are found, by their names without folders: `model.onnx` with its external data,
 * `model.safetensors.index.json` or `model.json` with their shards. The model is the one named so, else the first.
 *
 * @throws AtrousCamError BAD_ARGUMENT where there are none, or two of the same name
 */
export async function severalFiles(
  sources: readonly SingleSource[],
  signal?: AbortSignal,
): Promise<{ model: SingleSource; siblings: OpenSibling }> {
  if (sources.length === 0 || sources.length > most)
    throw new AtrousCamError('BAD_ARGUMENT', `weights: expected 1 to ${most} files, got ${sources.length}`);
  const byName = new Map<string, SingleSource>();
  for (const source of sources) {
    const name = nameOf(source);
    if (name !== undefined && byName.has(name))
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `weights: expected files of different names, got two named ${quote(name)}`,
      );
    if (name !== undefined) byName.set(name, source);
  }
  const model = await modelAmong(sources, signal);
  const name = nameOf(model) ?? 'the model';
  const siblings: OpenSibling = (path) => {
    const sibling = byName.get(lastPart(path));
    if (sibling && sibling !== model) return openSource(sibling, signal);
    const given = [...byName.keys()].slice(0, 5).map(quote).join(', ');
    throw new AtrousCamError(
      'NOT_FOUND',
      `weights ${quote(name)}: it needs the file ${quote(path)}, which is not among those given (${given}); give that file too`,
    );
  };
  return { model, siblings };
}

/** Of several JSON files, such as Teachable Machine's, the one that is a model. */
async function modelAmong(sources: readonly SingleSource[], signal?: AbortSignal): Promise<SingleSource> {
  const candidates = sources.filter((source) => /\.(onnx|json)$/i.test(nameOf(source) ?? ''));
  if (candidates.length < 2) return candidates[0] ?? sources[0];
  for (const candidate of candidates) {
    const opened = await openSource(candidate, signal);
    try {
      await sniffFormat(opened);
      return candidate;
    } catch (error) {
      if (!(error instanceof AtrousCamError)) throw error;
    } finally {
      opened.close();
    }
  }
  return candidates[0];
}

function nameOf(source: SingleSource): string | undefined {
  if (typeof source === 'string') return lastPart(source.replace(/^[a-z]+:\/\/|[?#].*$/gi, ''));
  if (source instanceof URL) return lastPart(decodeURIComponent(source.pathname));
  return source instanceof Blob && 'name' in source ? lastPart(String(source.name)) : undefined;
}

const lastPart = (path: string): string => path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
