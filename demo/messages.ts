/** What goes wrong, in words for a visitor: a heading and what to do. The library's own sentence is the detail. */
export interface Message {
  heading: string;
  text: string;
}

/** Photographs beyond this are not read: the largest that the library decodes, 100 megapixels, is smaller as a file. */
export const MAX_PHOTO_BYTES = 200e6;

const HEADINGS: Readonly<Record<string, string>> = {
  BAD_IMAGE: 'This picture cannot be read',
  BAD_WEIGHTS: 'This weight file cannot be used',
  NOT_FOUND: 'A file is missing',
  OUT_OF_MEMORY: 'Not enough memory',
  UNSUPPORTED: 'This does not work here',
  BAD_ARGUMENT: 'These settings do not fit the network',
  WORKER_FAILED: 'The computation ended unexpectedly',
  TOO_LARGE: 'This file is too large',
  OFFLINE: 'A part of the page could not be loaded',
  NO_CAMERA: 'No picture from the camera',
  NOT_KEPT: 'Your photograph is not here any more',
  NO_FILE: 'This picture cannot be taken from the other page',
  NO_SPACE: 'The network could not be kept',
};

const ADVICE: Readonly<Record<string, string>> = {
  BAD_IMAGE: 'Try a PNG or JPEG file.',
  BAD_WEIGHTS: 'Classifiers as ONNX, Keras, PyTorch, safetensors or TensorFlow.js files can be read.',
  OUT_OF_MEMORY: 'Close other tabs, or choose a smaller network or photograph.',
  WORKER_FAILED: 'Load the page again.',
  OFFLINE: 'Is its server still running? Start it and try again.',
  NOT_KEPT: 'The page keeps no photographs. Choose it again; until then a sample is shown.',
  NO_FILE:
    'The page asks no other server for anything. Save the picture and drop the file, or copy the picture and paste it here.',
  NO_SPACE: 'It works until this page is closed. Free some disk space, or remove another kept network.',
};

/** An error that the page itself raises, with a code as the library's errors have one. */
export class PageError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export function describeError(thrown: unknown): Message {
  const error = isUnreachable(thrown) ? new PageError('OFFLINE', 'the page’s own server does not answer') : thrown;
  const { code = '', message } = (error instanceof Error ? error : new Error(String(error))) as Partial<PageError>;
  const sentence = sentenceOf(message ?? '');
  return {
    heading: HEADINGS[code] ?? 'Something went wrong',
    text: [sentence, ADVICE[code]].filter(Boolean).join(' '),
  };
}

/** What browsers throw where a file of the page, or the code of a worker, cannot be fetched. */
const isUnreachable = (error: unknown): boolean =>
  /failed to fetch|load failed|networkerror|error loading dynamically imported/i.test(
    (error as Error | undefined)?.message ?? '',
  );

export const isAbort = (error: unknown): boolean => (error as PageError | undefined)?.code === 'ABORTED';

const sentenceOf = (text: string): string => {
  const clean = text.replace(/^(image|weights) "((?:[^"\\]|\\.)*)": /, '$2: ');
  return /[.!?]$/.test(clean) ? clean : `${clean}.`;
};

/** `1.3 MB`, `553 MB` */
export const formatBytes = (bytes: number): string =>
  bytes < 9.95e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e6)} MB`;
