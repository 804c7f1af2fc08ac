import { load } from 'atrous-cam/worker';

/** One network for each `model` of the page: nothing for the bundled one, `imagenet`, or the address of a weight file. */
const networks = new Map();
function networkOf(model) {
  const source = !model || model === 'imagenet' ? model || undefined : new URL(model, document.baseURI);
  if (!networks.has(model)) networks.set(model, load(source));
  return networks.get(model);
}

/**
 * `<atrous-cam src="photo.jpg" model="imagenet" target="pug/tabby">`: what speaks for a class, or for one rather than another.
 * Fires `explained`, whose `detail` is the explanation, or `error`.
 */
class AtrousCam extends HTMLElement {
  static observedAttributes = ['src', 'model', 'target'];
  #canvas = document.createElement('canvas');
  #stop = new AbortController();

  connectedCallback() {
    if (!this.shadowRoot) this.attachShadow({ mode: 'open' }).append(this.#canvas);
    this.#canvas.role = 'img';
    this.#update();
  }

  disconnectedCallback() {
    this.#stop.abort();
  }

  attributeChangedCallback() {
    if (this.isConnected && this.shadowRoot) this.#update();
  }

  async #update() {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const [src, model, target] = AtrousCam.observedAttributes.map((name) => this.getAttribute(name));
    try {
      const net = await networkOf(model);
      const photo = await (await fetch(src, { signal })).blob();
      const sign = target?.includes('/') ? 'signed' : 'positive';
      const options = { target: target ?? 'top', sign, mode: 'pooled', zoom: [1, 2], signal };
      const result = await net.explain(photo, options);
      const { width, height, data } = result.overlay(); // RGB
      const pixels = new ImageData(width, height);
      for (let i = 0; i < width * height; i++) pixels.data.set([...data.subarray(3 * i, 3 * i + 3), 255], 4 * i);
      Object.assign(this.#canvas, { width, height, ariaLabel: `What speaks for ${result.target.label}` });
      this.#canvas.getContext('2d').putImageData(pixels, 0, 0);
      this.dispatchEvent(new CustomEvent('explained', { detail: result }));
    } catch (error) {
      if (!signal.aborted) this.dispatchEvent(new ErrorEvent('error', { error, message: error.message }));
    }
  }
}

customElements.define('atrous-cam', AtrousCam);
