import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drawFigure, encodePng } from '../../dist/index.js';
import { processorSeconds } from './measure.js';
import { classOf, loadNetwork, networks } from './networks.js';
import { pictured, rows } from './rows.js';

const photos = new URL('../../photos/', import.meta.url);

/** Both animals are seen, also by the network that is used to crops. */
const WHOLE = /** @type {const} */ ({ fit: 'squash' });

/** Of the repository's photographs those that are shown (the measured ones may not be shown here), and their cats. */
const SHOWN = { 'leonberger_abyssinian.jpg': 'Abyssinian', 'staffie_bengal.jpg': 'Bengal' };

/** The study's telling rows on photographs of the repository, a line a network, as one PNG. @param {string} zoo */
export async function drawPage(zoo) {
  const figures = [];
  for (const file of readdirSync(photos).filter((name) => name in SHOWN)) {
    const path = fileURLToPath(new URL(file, photos));
    for (const network of networks) {
      const net = await loadNetwork(network.name, zoo);
      const picture = { label: 'cat', row: { breed: SHOWN[file] } }; // each photograph has a cat and a dog
      const target = await classOf(
        network,
        picture,
        net.labels,
        async () => (await net.predict(path, { preprocessing: WHOLE })).probabilities,
      );
      const explanations = [];
      for (const name of pictured) {
        const { explain } = rows.find((row) => row.name === name);
        const before = processorSeconds();
        const explanation = await net.explain(path, { ...explain, target, preprocessing: WHOLE });
        explanations.push({ ...explanation, mode: name, seconds: processorSeconds() - before }); // the caption
      }
      const title = `${network.title}: ${net.labels[target]}`;
      figures.push(await drawFigure(/** @type {any[]} */ (explanations), { name: title, columns: 7, width: 208 }));
      net.dispose();
    }
  }
  return encodePng(stack(figures));
}

/** Pictures of about one width, one below the other. */
function stack(pictures) {
  const width = Math.max(...pictures.map((picture) => picture.width));
  const height = pictures.reduce((sum, picture) => sum + picture.height, 0);
  const data = new Uint8Array(3 * width * height).fill(255);
  let top = 0;
  for (const picture of pictures) {
    for (let y = 0; y < picture.height; y++)
      data.set(picture.data.subarray(3 * y * picture.width, 3 * (y + 1) * picture.width), 3 * (top + y) * width);
    top += picture.height;
  }
  return { width, height, data };
}
