import type { ImageInput } from '../src/api.js';
import type { RgbImage } from '../src/base/types.js';
import { sniff } from '../src/image/sniff.js';
import type { WorkerNetwork } from '../src/worker.js';
import { formatBytes, MAX_PHOTO_BYTES, PageError } from './messages.js';

/** A photograph on the page. */
export interface Photo {
  /** A file's name, for downloads and for people. */
  name: string;
  /** What the library is given: the file itself, or the pixels of a format that only the browser decodes. */
  input: ImageInput;
  /** What is drawn, upright. */
  bitmap: ImageBitmap;
  /** Decoded by the library, once. */
  pixels?: Promise<RgbImage>;
}

export interface Sample {
  name: string;
  title: string;
  photo: string;
  thumbnail: string;
  /** What it opens with: two classes of the network with ImageNet's classes. */
  versus: string;
}

const sample = (name: string, title: string, versus: string, photo: URL, thumbnail: URL): Sample => ({
  name,
  title,
  versus,
  photo: photo.href,
  thumbnail: thumbnail.href,
});

/** Pictures with a dog and a cat; photos/ATTRIBUTION.md says whose they are. */
export const SAMPLES: readonly Sample[] = [
  sample(
    'bengal_pug',
    'A Bengal and a pug',
    'pug/Egyptian_cat',
    new URL('../photos/bengal_pug.jpg', import.meta.url),
    new URL('./thumbnails/bengal_pug.jpg', import.meta.url),
  ),
  sample(
    'terrier_bengal',
    'A bull terrier and a Bengal',
    'Boston_bull/Egyptian_cat',
    new URL('../photos/terrier_bengal.jpg', import.meta.url),
    new URL('./thumbnails/terrier_bengal.jpg', import.meta.url),
  ),
  sample(
    'pinscher_siamese',
    'A miniature pinscher and a Siamese',
    'toy_terrier/Siamese_cat',
    new URL('../photos/pinscher_siamese.jpg', import.meta.url),
    new URL('./thumbnails/pinscher_siamese.jpg', import.meta.url),
  ),
  sample(
    'persian_boxer',
    'A Persian and a boxer',
    'boxer/Persian_cat',
    new URL('../photos/persian_boxer.jpg', import.meta.url),
    new URL('./thumbnails/persian_boxer.jpg', import.meta.url),
  ),
  sample(
    'abyssinian_bernard',
    'An Abyssinian and a Saint Bernard',
    'Saint_Bernard/tiger_cat',
    new URL('../photos/abyssinian_bernard.jpg', import.meta.url),
    new URL('./thumbnails/abyssinian_bernard.jpg', import.meta.url),
  ),
  sample(
    'bengal_spaniel',
    'A Bengal and a cocker spaniel',
    'cocker_spaniel/tabby',
    new URL('../photos/bengal_spaniel.jpg', import.meta.url),
    new URL('./thumbnails/bengal_spaniel.jpg', import.meta.url),
  ),
];

export const sampleOf = (name: string): Sample | undefined => SAMPLES.find((each) => each.name === name);

const opened = new Map<Sample, Promise<Photo>>();

/** A sample as a photograph; it is loaded once. Throws PageError OFFLINE, NOT_FOUND. */
export function openSample(sample: Sample): Promise<Photo> {
  const known = opened.get(sample) ?? loadSample(sample);
  opened.set(sample, known);
  known.catch(() => opened.delete(sample));
  return known;
}

async function loadSample({ name, photo }: Sample): Promise<Photo> {
  const response = await fetch(photo).catch(() => {
    throw new PageError('OFFLINE', `${name}: the page’s own server does not answer`);
  });
  if (!response.ok) throw new PageError('NOT_FOUND', `${name}: the server answers ${response.status}`);
  return openPhoto(new File([await response.blob()], `${name}.jpg`, { type: 'image/jpeg' }));
}

/**
 * Opens a file that was picked, dropped or pasted. What the library decodes goes to it as it is, whatever its name; other formats are
 * decoded by the browser where it can.
 *
 * @throws PageError TOO_LARGE, BAD_IMAGE
 */
export async function openPhoto(file: File): Promise<Photo> {
  if (file.size > MAX_PHOTO_BYTES)
    throw new PageError(
      'TOO_LARGE',
      `${file.name}: ${formatBytes(file.size)}; photographs of up to ${formatBytes(MAX_PHOTO_BYTES)} can be opened`,
    );
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new PageError('BAD_IMAGE', `${file.name}: no picture that this browser can decode`);
  });
  const { format } = sniff(new Uint8Array(await file.slice(0, 1024).arrayBuffer()));
  const input = format === 'other' || format === 'unknown' ? drawn(bitmap) : file;
  return { name: file.name || 'pasted.png', input, bitmap };
}

/** A photograph's pixels, decoded by the library when they are first asked for. */
export async function pixelsOf(photo: Photo, network: WorkerNetwork): Promise<RgbImage> {
  const decoding = photo.pixels ?? network.preprocess(photo.input).then(({ image }) => image);
  photo.pixels = decoding;
  try {
    return await decoding;
  } catch (error) {
    if (photo.pixels === decoding) photo.pixels = undefined; // its network went away
    throw error;
  }
}

function drawn(bitmap: ImageBitmap): ImageData {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d')!;
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}
