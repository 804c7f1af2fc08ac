import { AtrousCamError } from '../base/errors.js';

/** Longest name that a message repeats as a whole; beyond file names only data URLs are longer. */
const MAX_NAME = 300;

/** The picture in a message: `image "cat.png"`, or `image` where it has no name. Quoted as JSON, so that it stays one line. */
export function imageSubject(name: string | undefined): string {
  return name === undefined ? 'image' : `image ${JSON.stringify(shorten(name))}`;
}

/** A long text without its middle. */
export const shorten = (text: string): string =>
  text.length > MAX_NAME ? `${text.slice(0, 60)}...${text.slice(-20)}` : text;

/**
 * An error for a picture that cannot be decoded.
 *
 * @param subject what `imageSubject` returned
 * @param problem what was expected and what came, and what to do, in one line
 */
export function badImage(subject: string, problem: string, cause?: unknown): AtrousCamError {
  return new AtrousCamError('BAD_IMAGE', `${subject}: ${problem}`, cause === undefined ? undefined : { cause });
}

/** Beyond this a side is refused however small the picture: the weights of a resize take up to 24 bytes per column. */
const MAX_SIDE = 1e6;

/**
 * Refuses sizes that are empty or absurd. Called with what the header says, before anything is allocated for the pixels.
 *
 * @throws AtrousCamError BAD_IMAGE
 */
export function checkDimensions(subject: string, width: number, height: number, maxPixels: number): void {
  if (width < 1 || height < 1) {
    throw badImage(subject, `expected a width and height of at least 1, got ${width}x${height}`);
  }
  if (width > MAX_SIDE || height > MAX_SIDE) {
    throw badImage(subject, `expected sides of at most ${MAX_SIDE} pixels, got ${width}x${height}`);
  }
  if (width * height > maxPixels) {
    throw badImage(
      subject,
      `expected at most ${maxPixels} pixels, got ${width}x${height} = ${width * height}; scale it down`,
    );
  }
}
