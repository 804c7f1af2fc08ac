import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drawFigure, encodePng, load } from '../../dist/index.js';
import { explainOptions, pictured, rows } from './rows.js';

const photos = new URL('../../photos/', import.meta.url);

/** Class of the explained animal: each photograph has a cat and a dog. */
const TARGET = 'cat';

/**
 * The study's telling rows on the repository's photographs (the measured ones may not be shown here), as one PNG.
 *
 * @param {Record<string, string | undefined>} sources networks by the rows' `weights`; rows of others are left out
 */
export async function drawPage(sources) {
  const shown = pictured
    .map((name) => rows.find((row) => row.name === name))
    .filter(({ weights }) => weights in sources);
  const nets = new Map();
  for (const { weights } of shown) if (!nets.has(weights)) nets.set(weights, await load(sources[weights]));
  const figures = [];
  for (const file of readdirSync(photos).filter((name) => name.endsWith('.jpg'))) {
    const explanations = [];
    for (const row of shown) {
      const net = nets.get(row.weights);
      const options = { ...explainOptions(row, net.layers), target: TARGET };
      explanations.push({ ...(await net.explain(fileURLToPath(new URL(file, photos)), options)), mode: row.name }); // the caption
    }
    figures.push(await drawFigure(explanations, { name: file, columns: 6, width: 208 }));
  }
  for (const net of nets.values()) net.dispose();
  return encodePng(stack(figures));
}

/** Pictures of one width, one below the other. */
function stack(pictures) {
  const [{ width }] = pictures;
  const height = pictures.reduce((sum, picture) => sum + picture.height, 0);
  return { width, height, data: Uint8Array.from(pictures.flatMap(({ data }) => [...data])) };
}
