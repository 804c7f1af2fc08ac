import { readFileSync } from 'node:fs';
import jpegJs from 'jpeg-js';
import { expect, test } from 'vitest';
import { load } from '../../src/index.js';

test('a photograph of 48 megapixels, as a phone takes it, lying on its side', async () => {
  const small = jpegJs.decode(readFileSync('photos/staffie_bengal.jpg'));
  const [width, height] = [6048, 8064];
  // Each pixel repeated, and the whole turned: row y of the file is column y of the photograph, counted from the left.
  const data = new Uint8Array(4 * width * height);
  const [from, to] = [new Uint32Array(small.data.slice().buffer), new Uint32Array(data.buffer)];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const row = Math.floor(((width - 1 - x) / width) * small.height);
      to[y * width + x] = from[row * small.width + Math.floor((y / height) * small.width)];
    }
  const encoded = jpegJs.encode({ width, height, data }, 90).data;
  // Exif with orientation 8, "turned by 90 degrees to the right to be upright is 6, to the left 8", behind the start marker.
  const exif = Buffer.from('ffe100224578696600004d4d002a00000008000101120003000000010008000000000000', 'hex');
  const photo = Buffer.concat([encoded.subarray(0, 2), exif, encoded.subarray(2)]);

  const net = await load();
  const expected = await net.explain('photos/staffie_bengal.jpg');
  const { target, predictions, map } = await net.explain(photo);
  expect(target).toEqual(expected.target);
  expect(predictions[0].probability).toBeCloseTo(expected.predictions[0].probability, 1);
  const difference = map.data.reduce((sum, value, i) => sum + Math.abs(value - expected.map.data[i]), 0);
  expect(difference / map.data.length).toBeLessThan(0.1); // lying, it is 0.3 and more
  net.dispose();
});
