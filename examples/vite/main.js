// Choose a photograph: its heat map appears, computed in a worker, so that the page stays alive. No configuration of Vite is needed.
import { load } from 'atrous-cam/worker';

const [input, output, canvas] = ['input', 'output', 'canvas'].map((name) => document.querySelector(name));
let network; // loaded once, with the first photograph

input.addEventListener('change', async () => {
  try {
    network ??= load();
    const net = await network;
    const explanation = await net.explain(input.files[0], {
      onProgress: ({ done }) => {
        output.textContent = `${Math.round(100 * done)} %`;
      },
    });
    const { width, height, data } = explanation.overlay({ colormap: 'turbo', alpha: 0.5 });
    const pixels = new ImageData(width, height);
    for (let i = 0; i < width * height; i++)
      pixels.data.set([data[3 * i], data[3 * i + 1], data[3 * i + 2], 255], 4 * i);
    Object.assign(canvas, { width, height }).getContext('2d').putImageData(pixels, 0, 0);
    const [{ label, probability }] = explanation.predictions;
    output.textContent = `${label} with probability ${probability.toFixed(3)}`;
  } catch (error) {
    output.textContent = error.message;
  }
});
