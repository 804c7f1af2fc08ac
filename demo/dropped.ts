import { PageError } from './messages.js';

/** Files that came together, by what they are. */
export interface Sorted {
  photos: File[];
  /** The files of one network. */
  weights: File[];
  /** The names of classes. */
  labels: File | undefined;
}

const WEIGHTS = /\.(h5|hdf5|keras|safetensors|pth|pt|onnx|bin|data)$/i;
/** A list of names, or the topology of a network in TensorFlow.js, is small. */
const MOST_TEXT = 64e6;

/** Sorts files that were picked, dropped or pasted. A JSON file is told by what is in it. */
export async function sortFiles(files: readonly File[]): Promise<Sorted> {
  const sorted: Sorted = { photos: [], weights: [], labels: undefined };
  for (const file of files) {
    if (WEIGHTS.test(file.name) || isShard(file.name)) sorted.weights.push(file);
    else if (/\.json$/i.test(file.name)) {
      if (await isLabels(file)) sorted.labels = file;
      else sorted.weights.push(file);
    } else if (/\.(txt|csv|tsv|labels|names)$/i.test(file.name)) sorted.labels = file;
    else sorted.photos.push(file);
  }
  return sorted;
}

/** `group1-shard1of2`, as older TensorFlow.js names them, without an ending. */
const isShard = (name: string): boolean => /shard\d+of\d+$/i.test(name);

async function isLabels(file: File): Promise<boolean> {
  if (file.size > MOST_TEXT) return false;
  try {
    const value = JSON.parse(await file.text());
    return (
      typeof value === 'object' &&
      value !== null &&
      !['modelTopology', 'weightsManifest', 'weight_map'].some((key) => key in value)
    );
  } catch {
    return false; // the reader of weights says what is wrong
  }
}

/**
 * The files of a drop. A picture of another page comes as a file where the browser gives one; its address alone does not help, because this
 * page asks no other server.
 *
 * @throws PageError NO_FILE
 */
export async function filesOf(transfer: DataTransfer | null): Promise<File[]> {
  const files = [...(transfer?.files ?? [])];
  if (files.length > 0 || !transfer) return files;
  const html = transfer.getData('text/html');
  const address = /<img[^>]*\ssrc="([^"]+)"/i.exec(html)?.[1] ?? transfer.getData('text/uri-list').split('\n')[0];
  if (!address) return [];
  const inline = /^data:(image\/[\w.+-]+)((?:;[\w=-]+)*?)(;base64)?,(.*)$/s.exec(address);
  if (!inline) throw new PageError('NO_FILE', 'only its address was dropped');
  const [, type, , base64, text] = inline;
  const binary = base64 ? atob(text) : decodeURIComponent(text);
  return [new File([Uint8Array.from(binary, (character) => character.charCodeAt(0))], 'dropped', { type })];
}
