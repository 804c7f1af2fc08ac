import latin400 from 'embed:node_modules/@fontsource/open-sans/files/open-sans-latin-400-normal.woff';
import latin600 from 'embed:node_modules/@fontsource/open-sans/files/open-sans-latin-600-normal.woff';
import extended400 from 'embed:node_modules/@fontsource/open-sans/files/open-sans-latin-ext-400-normal.woff';
import extended600 from 'embed:node_modules/@fontsource/open-sans/files/open-sans-latin-ext-600-normal.woff';
import { type Font, parse } from 'opentype.js/dist/opentype.min.mjs';
import { decodeBase64 } from '../base/base64.js';
import type { RgbImage } from '../base/types.js';
import { fillPath, type PathCommand } from './raster.js';

/** A part of a text and the font that has its characters. */
interface Run {
  font: Font;
  text: string;
}

/** Draws text in one weight of a typeface; sizes and lengths in pixels. */
export class Typeface {
  /** `fonts`: the first one that has a character draws it. */
  constructor(private readonly fonts: readonly Font[]) {}

  /** Cuts text into runs; characters that no font has become '?', white space and control characters a space. */
  private runs(text: string): Run[] {
    const runs: Run[] = [];
    for (let character of text.normalize('NFC').replace(/[\s\p{C}]+/gu, ' ')) {
      let font = this.fonts.find((f) => f.charToGlyphIndex(character) > 0);
      if (!font) [font, character] = [this.fonts[0], '?'];
      const last = runs.at(-1);
      if (last?.font === font) last.text += character;
      else runs.push({ font, text: character });
    }
    return runs;
  }

  /** Length of a text. */
  measure(text: string, size: number): number {
    return this.runs(text).reduce((sum, run) => sum + run.font.getAdvanceWidth(run.text, size), 0);
  }

  /** The text itself where it is at most `length` long, otherwise its beginning and an ellipsis. */
  fit(text: string, size: number, length: number): string {
    if (this.measure(text, size) <= length) return text;
    const characters = [...text];
    let [low, high] = [0, characters.length]; // `low` characters fit, `high` do not
    const cut = (count: number) => `${characters.slice(0, count).join('').trimEnd()}…`;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.measure(cut(middle), size) <= length) low = middle;
      else high = middle;
    }
    return cut(low);
  }

  /** Draws text with its baseline at `y`, from `x` on; `image` is changed. */
  draw(image: RgbImage, text: string, x: number, y: number, size: number, colour: readonly number[]): void {
    const commands: PathCommand[] = [];
    for (const run of this.runs(text)) {
      for (const command of run.font.getPath(run.text, x, y, size).commands) commands.push(command as PathCommand);
      x += run.font.getAdvanceWidth(run.text, size);
    }
    fillPath(image, commands, colour);
  }
}

const files = { regular: [latin400, extended400], semibold: [latin600, extended600] };
const typefaces = new Map<keyof typeof files, Typeface>();

/** Open Sans (SIL Open Font License 1.1), with all letters of the Latin script; read once. */
export function openSans(weight: 'regular' | 'semibold'): Typeface {
  let typeface = typefaces.get(weight);
  if (!typeface) {
    typeface = new Typeface(files[weight].map((file) => parse(decodeBase64(file).buffer)));
    typefaces.set(weight, typeface);
  }
  return typeface;
}
