/**
 * What only a browser's workers do: how they stop, fail and end. Each part resolves to what was observed.
 *
 * @param {object} argument
 * @param {string} argument.part
 * @param {object} [argument.options] for `load`
 * @param {string[]} [argument.names] files
 */
export default async function life({ part, options = {}, names = [] }) {
  const { load, inspect, AtrousCamError } = await import('/dist/worker.js');
  const refusal = (promise) =>
    promise.then(
      () => 'no error',
      (error) => ({ known: error instanceof AtrousCamError, code: error.code, message: error.message }),
    );
  const picture = { width: 224, height: 224, data: new Uint8Array(3 * 224 * 224).fill(90) };
  const host = new URL('/dist/worker-host.js', location.href);
  const parts = {
    /** The call in the engine and the one that waits for it end at once; the next one is answered. */
    async abort() {
      const net = await load(undefined, options);
      const controller = new AbortController();
      const onProgress = ({ map }) => map && controller.abort();
      const stopped = net.explain(picture, { signal: controller.signal, onProgress });
      const waiting = net.predict(picture, { signal: controller.signal });
      const next = net.predict(picture);
      const ends = [await refusal(stopped), await refusal(waiting)];
      const { predictions } = await next;
      net.dispose();
      return { ends, classes: predictions.length, after: await refusal(net.predict(picture)) };
    },
    /** Nobody tells the page of a `terminate()`; the lock does. */
    async terminate() {
      let worker;
      const createWorker = () => {
        worker = new Worker(host, { type: 'module' });
        return worker;
      };
      const net = await load(undefined, { ...options, createWorker });
      const calls = [1, 2].map(() => net.explain(picture, { onProgress: () => worker.terminate() }));
      return [...(await Promise.all(calls.map(refusal))), await refusal(net.predict(picture))];
    },
    start: async () => refusal(load(undefined, options)),
    missing: async () => refusal(load(undefined, { ...options, workerUrl: '/dist/no-such.js' })),
    crash: async () => {
      const url = URL.createObjectURL(new Blob(['throw new Error("broken")'], { type: 'text/javascript' }));
      return refusal(load(undefined, { ...options, createWorker: () => new Worker(url) }));
    },
    /** Its own script, of the page's origin or another one. */
    async script() {
      const net = await load(undefined, { ...options, workerUrl: options.workerUrl ?? host.href });
      const { logits } = await net.predict(picture);
      const { threads } = net;
      net.dispose();
      return { threads, logits };
    },
    /** One picture in every form that a browser has for it. */
    async drawables() {
      const canvas = Object.assign(document.createElement('canvas'), { width: 40, height: 30 });
      const context = canvas.getContext('2d');
      context.fillStyle = 'rgb(200 100 50)';
      context.fillRect(0, 0, 40, 30);
      context.fillStyle = 'rgb(0 90 250)';
      context.fillRect(5, 5, 20, 10);
      const pixels = context.getImageData(0, 0, 40, 30);
      const offscreen = new OffscreenCanvas(40, 30);
      offscreen.getContext('2d').drawImage(canvas, 0, 0);
      const bitmap = await createImageBitmap(canvas);
      const here = await (await import('/dist/index.js')).load(undefined, options);
      const there = await load(undefined, options);
      const answers = [];
      const frame = new VideoFrame(canvas, { timestamp: 0 });
      const img = new Image();
      img.src = canvas.toDataURL(); // PNG
      await img.decode();
      for (const image of [pixels, canvas, offscreen, bitmap, frame, img])
        for (const net of [here, there]) answers.push((await net.predict(image)).logits);
      answers.push((await there.predict(bitmap, { transfer: true })).logits);
      frame.close();
      const refused = [];
      for (const image of [bitmap, frame, new OffscreenCanvas(0, 0), new Image(), document.createElement('video')])
        for (const net of [here, there]) refused.push(await net.predict(image).then(() => 'answered', String));
      here.dispose();
      there.dispose();
      return { answers, refused, width: bitmap.width };
    },
    /** Sums of the pixels of files, as the library reads them here and in its worker. */
    async formats() {
      const { load: loadHere, readImage } = await import('/dist/index.js');
      const [here, there] = [await loadHere(undefined, options), await load(undefined, options)];
      const found = {};
      for (const name of names) {
        const file = new File([await (await fetch(`/formats/${name}`)).blob()], 'photo.jpg');
        const { width, height, data } = await readImage(file);
        const [a, b] = [await here.predict(file), await there.predict(file)];
        found[name] = { width, height, data, same: `${a.logits}` === `${b.logits}` };
      }
      here.dispose();
      there.dispose();
      return found;
    },
    /** Files are posted: a page that cannot read them (it would have to read HDF5 whole) never does. */
    async file() {
      const blob = await (await fetch('/files/micro-vgg16.keras-official.h5')).blob();
      const file = new File([blob], 'micro.h5');
      for (const name of ['arrayBuffer', 'slice', 'stream', 'text', 'bytes'])
        file[name] = () => {
          throw new Error(`${name} on the page`);
        };
      const { parameters, source } = await inspect(file);
      const net = await load(file, options);
      net.dispose();
      return { parameters, source, layers: net.layers.length };
    },
  };
  return parts[part]();
}
