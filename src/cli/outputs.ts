import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Explanation } from '../api.js';
import type { Mode } from '../base/types.js';
import { drawFigure, drawHeatmap, encodeNpy, encodePng } from '../index.js';
import { UsageError } from './context.js';
import { type ExplainFlags, modesOf } from './options.js';
import { type NamedPicture, type OutputFile, prepareFolder, refuseReplacing, writeFiles } from './output.js';
import { STREAM } from './read-picture.js';
import { type PictureRecord, RECORD, readPngText } from './record.js';

/** What a call of `explain` writes for each picture, and where. */
export interface Outputs {
  /** Of all files without a name of their own; `-` where the figure goes to standard output. */
  folder: string;
  figure: boolean;
  npy: boolean;
  /** Pictures of a mode's map by themselves: true for one in the folder, or a file's name. */
  overlay?: true | string;
  heatmap?: true | string;
}

/** The folder where none is named. */
const FOLDER = 'atrous-cam-out';
/** Options that write the map by itself, and may name the file. */
const BY_ITSELF = ['overlay', 'heatmap'] as const;
/** A PNG text that tells this command's pictures from others. */
const MADE_BY = { Software: 'atrous-cam' };

/** What the options ask for. With a file that has a name the figure is drawn only where a folder is named for it. */
export function outputsOf({ out, npy = false, overlay, heatmap }: Partial<Omit<ExplainFlags, 'mode'>>): Outputs {
  const isNamed = typeof overlay === 'string' || typeof heatmap === 'string';
  return { folder: out ?? FOLDER, figure: out !== undefined || !isNamed, npy, overlay, heatmap };
}

/** Options that name the file for the map by itself. */
const namedBy = (outputs: Outputs) => BY_ITSELF.filter((option) => typeof outputs[option] === 'string');

/** Whether a file is named, which is one picture's in one mode. */
export const namesFile = (outputs: Outputs): boolean => namedBy(outputs).length > 0;

/** Whether anything goes to the folder. */
export const usesFolder = ({ folder, figure, npy, overlay, heatmap }: Outputs): boolean =>
  folder !== STREAM && (figure || npy || overlay === true || heatmap === true);

/**
 * Refuses what cannot be written: several pictures to one file or to standard output, a file that somebody else made. Throws
 * UsageError.
 */
export function checkOutputs(outputs: Outputs, pictures: readonly NamedPicture[], flags: ExplainFlags): void {
  if (outputs.folder === STREAM) {
    if (pictures.length !== 1) throw new UsageError(`--out -: expected one picture, got ${pictures.length}`);
    for (const name of ['json', 'npy', 'resume', 'sheet', ...BY_ITSELF] as const)
      if (flags[name]) throw new UsageError(`--out -: writes the figure alone; it goes without --${name}`);
  }
  for (const option of namedBy(outputs)) checkNamed(option, outputs[option] as string, pictures, flags);
  if (namesFile(outputs) && flags.resume && !outputs.figure)
    throw new UsageError('--resume: is for files in a folder; it goes without the name of a file');
  if (typeof outputs.overlay === 'string' && outputs.overlay === outputs.heatmap)
    throw new UsageError(`--heatmap: "${outputs.heatmap}" is the file of --overlay; name another one`);
  refuseReplacing(pictures, [
    ...(usesFolder(outputs) && outputs.figure ? pictures.map(({ name }) => join(outputs.folder, `${name}.png`)) : []),
    ...(usesFolder(outputs) ? pictures.flatMap(({ name }) => inFolder(name, outputs, flags)) : []),
  ]);
}

/** Pictures of maps in the folder. */
const inFolder = (name: string, outputs: Outputs, flags: ExplainFlags): string[] =>
  BY_ITSELF.filter((option) => outputs[option] === true).flatMap((option) =>
    modesOf(flags).map((mode) => join(outputs.folder, `${name}.${mode}.${option}.png`)),
  );

function checkNamed(option: string, path: string, pictures: readonly NamedPicture[], flags: ExplainFlags): void {
  const modes = modesOf(flags);
  const instead = `without a file's name each gets its own in --out`;
  if (pictures.length !== 1)
    throw new UsageError(`--${option} "${path}": expected one picture, got ${pictures.length}; ${instead}`);
  if (modes.length > 1)
    throw new UsageError(`--${option} "${path}": expected one --mode, got ${modes.join(', ')}; ${instead}`);
  refuseReplacing(pictures, [path], `--${option}`);
  if (isForeign(path))
    throw new UsageError(
      `--${option}: "${path}" is there already and is not of this command; remove it, or choose another name`,
    );
}

/** Whether a file is there that this command did not write. */
const isForeign = (path: string): boolean => existsSync(path) && readPngText(path, 'Software') !== MADE_BY.Software;

/** Makes all folders that are written to; returns what takes those away again that nothing was written to. */
export function prepareFolders(outputs: Outputs): () => void {
  const undo: (() => void)[] = [];
  const undoAll = () => {
    for (const remove of undo.reverse()) remove();
  };
  try {
    if (usesFolder(outputs)) undo.push(prepareFolder(outputs.folder));
    for (const option of namedBy(outputs)) undo.push(prepareFolder(dirname(outputs[option] as string), `--${option}`));
  } catch (error) {
    undoAll();
    throw error;
  }
  return undoAll;
}

/** The paths of a picture's files in a mode, by what they are; the figure is the same in all modes. */
export function filesOf(name: string, mode: string, outputs: Outputs): Record<string, string> {
  const path = (ending: string) => join(outputs.folder, `${name}.${ending}`);
  const byItself = BY_ITSELF.flatMap((option) => {
    const file = outputs[option];
    return file ? [[option, file === true ? path(`${mode}.${option}.png`) : file] as const] : [];
  });
  return {
    ...(outputs.figure && { picture: path('png') }),
    ...(outputs.npy && { raw: path(`${mode}.raw.npy`), map: path(`${mode}.map.npy`) }),
    ...Object.fromEntries(byItself),
    ...(outputs.npy && outputs.overlay === true && { overlayPixels: path(`${mode}.overlay.npy`) }),
  };
}

/** Whether an earlier call left all that this one writes for a picture beside its figure. */
export function isComplete(record: PictureRecord, name: string, modes: readonly Mode[], outputs: Outputs): boolean {
  const { picture: _, ...beside } = filesOf(name, '', outputs);
  return Object.keys(beside).every((kind) =>
    modes.every((mode) => record.sizes[basename(filesOf(name, mode, outputs)[kind])] !== undefined),
  );
}

/** How maps are coloured, in the library's words. */
export const styleOf = ({ colormap, opacity }: Pick<ExplainFlags, 'colormap' | 'opacity'>) => ({
  ...(colormap !== undefined && { colormap }),
  ...(opacity !== undefined && { alpha: opacity }),
});

/** Writes a picture's figure and what is written beside it; all of them or none. Returns their paths, the figure's first. */
export async function writeExplanations(
  { name, file }: NamedPicture,
  explanations: readonly Explanation[],
  outputs: Outputs,
  flags: ExplainFlags,
  record: Omit<PictureRecord, 'sizes'> | undefined,
): Promise<string[]> {
  const beside = explanations.flatMap((explanation): OutputFile[] => {
    const { picture: _, ...paths } = filesOf(name, explanation.mode, outputs);
    return Object.entries(paths).map(([kind, path]) => ({ path, content: contentOf(kind, explanation, flags) }));
  });
  if (!outputs.figure) return writeFiles(beside);
  const inside = beside.filter(({ path }) => dirname(resolve(path)) === resolve(outputs.folder));
  const sizes = Object.fromEntries(inside.map(({ path, content }) => [basename(path), content.length]));
  const texts = record && { [RECORD]: JSON.stringify({ ...record, sizes } satisfies PictureRecord) };
  const content = await figureOf(file, explanations, flags, texts);
  return writeFiles([{ path: join(outputs.folder, `${name}.png`), content }, ...beside]);
}

function contentOf(kind: string, explanation: Explanation, flags: ExplainFlags): Uint8Array {
  const { raw, map } = explanation;
  if (kind === 'raw') return encodeNpy(raw.data, [raw.height, raw.width]);
  if (kind === 'map') return encodeNpy(map.data, [map.height, map.width]);
  const style = styleOf(flags);
  if (kind === 'overlayPixels') {
    const { data, width, height } = explanation.overlay(style);
    return encodeNpy(data, [height, width, 3]);
  }
  const picture = kind === 'overlay' ? explanation.overlay(style) : drawHeatmap(explanation, style);
  return encodePng(picture, { texts: MADE_BY });
}

/** The figure as a PNG file. */
export async function figureOf(
  file: string,
  explanations: readonly Explanation[],
  flags: ExplainFlags,
  texts?: Record<string, string>,
): Promise<Uint8Array> {
  const name = file === STREAM ? 'standard input' : basename(file);
  return encodePng(await drawFigure(explanations, { name, ...styleOf(flags) }), { texts: { ...MADE_BY, ...texts } });
}

/** A picture's entries with the paths of its files. */
export const withFiles = (entries: Record<string, object>, name: string, outputs: Outputs): Record<string, object> =>
  Object.fromEntries(
    Object.entries(entries).map(([mode, entry]) => [mode, { ...entry, files: filesOf(name, mode, outputs) }]),
  );
