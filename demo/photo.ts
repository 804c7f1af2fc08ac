import type { ImageInput } from '../src/api.js';
import { sniff } from '../src/image/sniff.js';
import { formatBytes, MAX_PHOTO_BYTES, PageError } from './messages.js';

/** A photograph on the page. */
export interface Photo {
  /** A file's name, for downloads and for people. */
  name: string;
  /** What the library is given: the file itself, or the pixels of a format that only the browser decodes. */
  input: ImageInput;
  /** What is drawn, upright. */
  bitmap: ImageBitmap;
}

export interface Sample {
  name: string;
  title: string;
  photo: string;
  thumbnail: string;
}

/** Pictures with a dog and a cat; photos/ATTRIBUTION.md says whose they are. */
export const SAMPLES: readonly Sample[] = [
  {
    name: 'leonberger_abyssinian',
    title: 'A Leonberger and an Abyssinian',
    photo: new URL('../photos/leonberger_abyssinian.jpg', import.meta.url).href,
    thumbnail: new URL('./thumbnails/leonberger_abyssinian.jpg', import.meta.url).href,
  },
  {
    name: 'bulldog_abyssinian',
    title: 'A bulldog and an Abyssinian',
    photo: new URL('../photos/bulldog_abyssinian.jpg', import.meta.url).href,
    thumbnail: new URL('./thumbnails/bulldog_abyssinian.jpg', import.meta.url).href,
  },
  {
    name: 'staffie_bengal',
    title: 'A bull terrier and a Bengal',
    photo: new URL('../photos/staffie_bengal.jpg', import.meta.url).href,
    thumbnail: new URL('./thumbnails/staffie_bengal.jpg', import.meta.url).href,
  },
];

export async function openSample({ name, photo }: Sample): Promise<Photo> {
  const response = await fetch(photo);
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
  const input = format === 'other' || format === 'unknown' ? pixelsOf(bitmap) : file;
  return { name: file.name || 'pasted.png', input, bitmap };
}

function pixelsOf(bitmap: ImageBitmap): ImageData {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d')!;
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** Weight files by the ends of their names; everything else is taken for a photograph. */
export const isWeightFile = ({ name }: File): boolean =>
  /\.(h5|hdf5|keras|safetensors|pth|pt|onnx|json|bin|data)$/i.test(name);
