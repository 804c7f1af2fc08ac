// node heatmap.js photo.jpg [class]: prints the predictions and writes heatmap.png, the photograph beside its heat map.
import { writeFile } from 'node:fs/promises';
import { AtrousCamError, drawFigure, encodePng, load } from 'atrous-cam';

const [photo = 'photo.jpg', target = 'top'] = process.argv.slice(2);

try {
  const net = await load(); // the bundled cat/dog network; load('vgg16.h5') takes another
  const explanation = await net.explain(photo, {
    target,
    onProgress: ({ done }) => process.stderr.write(`\r${Math.round(100 * done)} %`),
  });
  process.stderr.write('\n');
  for (const { label, index, probability } of explanation.predictions)
    console.log(`${label} (${index}) with probability ${probability.toFixed(3)}`);
  await writeFile('heatmap.png', encodePng(await drawFigure([explanation], { name: photo })));
  net.dispose();
} catch (error) {
  if (!(error instanceof AtrousCamError)) throw error;
  console.error(`${error.code}: ${error.message}`); // such as NOT_FOUND or BAD_IMAGE: one line that says what to do
  process.exitCode = 1;
}
