import type { Explanation } from '../src/api.js';
import { formatSeconds } from '../src/base/format.js';
import { encodeNpy } from '../src/map/npy.js';
import type { WorkerNetwork } from '../src/worker.js';
import { Activity } from './activity.js';
import { announce, download, element } from './dom.js';
import { Explanations } from './explanations.js';
import { buildForm, fitForm, IMAGENET, listNetworks, readForm, UNKEPT, writeForm } from './form.js';
import { keep, listKept, openKept, removeKept } from './kept-weights.js';
import { measure } from './measure.js';
import { isAbort } from './messages.js';
import { isWeightFile, openPhoto, openSample, type Photo, SAMPLES } from './photo.js';
import { Predictions } from './predictions.js';
import { Probe } from './probe.js';
import { checkBrowser, describeNetwork, describeThreads, type Files, loadNetwork } from './session.js';
import { DEFAULTS, formatAddress, parseAddress, type Settings, type View } from './settings.js';
import { drawScale, type Side, Stage } from './stage.js';

/** Seconds beyond which a computation begins only when the visitor says so. */
const LONG = 240;
const SIDES = ['left', 'right'] as const;

/** The page: settings, photograph and network, and what follows from them. */
export class App {
  readonly #activity = new Activity();
  readonly #probe = new Probe();
  readonly #stage = new Stage((x, y) => this.#probe.moveTo(x, y));
  readonly #predictions = new Predictions((target) => this.change({ target }));
  #settings: Settings = DEFAULTS;
  #network: WorkerNetwork | undefined;
  /** Chosen weight files that are not kept. */
  #unkept: readonly File[] | undefined;
  #photo: Photo | undefined;
  #explanations: Explanations | undefined;

  async start(): Promise<void> {
    buildForm();
    this.#settings = parseAddress(location.hash);
    if (!SAMPLES.some(({ name }) => name === this.#settings.photo)) this.#settings.photo = DEFAULTS.photo;
    listNetworks(await listKept(), this.#settings.network);
    writeForm(this.#settings);
    drawScale(element('scale', HTMLCanvasElement), this.#settings.colormap);
    try {
      checkBrowser();
    } catch (error) {
      this.#activity.complain(error);
      this.#activity.progress('', 0);
      return;
    }
    await this.openSample(this.#settings.photo);
    await this.openNetwork(this.#settings.network);
  }

  /** What the form says now. */
  formChanged(): void {
    if (this.#network) fitForm(this.#network);
    this.change(readForm());
    writeForm(this.#settings);
  }

  /** The address was edited, or the visitor went back. */
  addressChanged(): void {
    const settings = parseAddress(location.hash);
    if (settings.photo !== this.#settings.photo && SAMPLES.some(({ name }) => name === settings.photo))
      void this.openSample(settings.photo);
    this.change(settings);
    writeForm(this.#settings);
  }

  /** Takes over changed settings: loads, computes or only draws what they ask for. */
  change(changes: Partial<Settings>): void {
    const { network, photo } = this.#settings;
    this.#settings = { ...this.#settings, ...changes, photo };
    this.#writeAddress();
    if (this.#settings.network !== network) void this.openNetwork(this.#settings.network);
    else void this.compute();
  }

  async openSample(name: string): Promise<void> {
    const sample = SAMPLES.find((each) => each.name === name) ?? SAMPLES[0];
    await this.#openPhoto(() => openSample(sample), sample.name);
  }

  /** Files that were picked, dropped or pasted: a photograph, or weights in one file or several. */
  async openFiles(files: readonly File[]): Promise<void> {
    if (files.some(isWeightFile)) await this.openWeights(files);
    else if (files.length > 0) await this.#openPhoto(() => openPhoto(files[0]), 'own');
  }

  async #openPhoto(open: () => Promise<Photo>, name: string): Promise<void> {
    try {
      this.#photo = await open();
    } catch (error) {
      this.#activity.complain(error);
      return;
    }
    this.#activity.complain(undefined);
    this.#settings = { ...this.#settings, photo: name };
    this.#writeAddress();
    writeForm(this.#settings);
    element('credit', HTMLElement).textContent =
      name === 'own' ? '' : 'Photograph: composite of the Oxford-IIIT Pet Dataset, CC BY-SA 4.0.';
    this.#stage.open(this.#photo.bitmap);
    this.#probe.open(this.#photo.bitmap);
    this.#explanations = this.#network && new Explanations(this.#network, this.#photo);
    await this.compute();
  }

  /** Loads an included network, a kept one by its name, or the files that are not kept. */
  async openNetwork(name: string): Promise<void> {
    const open = async () => {
      if (name === '') return undefined;
      if (name === IMAGENET) return name;
      return name === UNKEPT ? this.#unkept : openKept(name);
    };
    await this.#load(open, name);
  }

  /** Loads weights of the visitor's own and keeps them, where they are one file and the visitor wants that. */
  async openWeights(files: readonly File[]): Promise<void> {
    this.#unkept = files;
    const [file] = files;
    const loaded = await this.#load(async () => (files.length === 1 ? file : files), UNKEPT);
    if (!loaded || files.length > 1 || !element('keep', HTMLInputElement).checked) return;
    const facts = element('network-facts', HTMLElement);
    const text = facts.textContent;
    facts.textContent = `${text} · keeping a copy …`;
    try {
      await keep(file);
      if (this.#unkept !== files || this.#settings.network !== UNKEPT) return;
      this.#unkept = undefined;
      this.#settings = { ...this.#settings, network: file.name };
      this.#writeAddress();
      announce(`${file.name} is kept in this browser.`);
    } catch (error) {
      this.#activity.complain(error);
    } finally {
      facts.textContent = text;
      listNetworks(await listKept(), this.#settings.network, this.#unkept?.[0].name);
    }
  }

  /** Forgets the kept file that is chosen, and goes back to the included network. */
  async removeNetwork(): Promise<void> {
    const { network } = this.#settings;
    await removeKept(network);
    announce(`${network} was removed from this browser.`);
    this.change({ network: '', target: 'top' });
  }

  async #load(open: () => Promise<Files | undefined>, name: string): Promise<boolean> {
    const target = this.#network && name !== this.#settings.network ? 'top' : this.#settings.target;
    this.#settings = { ...this.#settings, network: name, target };
    this.#writeAddress();
    this.#network?.dispose(); // first, so that both never need memory at once
    this.#network = undefined;
    this.#explanations = undefined;
    this.#showButtons();
    let network: WorkerNetwork | undefined;
    let failure: unknown;
    await this.#activity.run(
      async (signal) => {
        const onProgress = (done: number) => this.#activity.progress('Loading the network …', done);
        onProgress(0);
        try {
          network = await loadNetwork(await open(), { signal, onProgress });
        } catch (error) {
          if (!isAbort(error)) failure = error;
          throw error;
        }
      },
      () => void this.#load(open, name),
    );
    if (failure && name !== '') void this.#fallBack(failure);
    if (!network) return false;
    this.#useNetwork(network);
    listNetworks(await listKept(), name, this.#unkept?.[0].name);
    writeForm(this.#settings);
    this.#settings = { ...this.#settings, ...readForm() };
    if (this.#photo) this.#explanations = new Explanations(network, this.#photo);
    void this.compute();
    return true;
  }

  #useNetwork(network: WorkerNetwork): void {
    this.#network = network;
    fitForm(network);
    this.#predictions.setLabels(network.labels);
    element('network-facts', HTMLElement).textContent = describeNetwork(network);
    element('machine', HTMLElement).textContent = network.threads === 1 ? describeThreads() : '';
  }

  /** After weights that cannot be used: the included network again, and why. */
  async #fallBack(failure: unknown): Promise<void> {
    this.#unkept = undefined;
    this.#settings = { ...this.#settings, target: 'top' };
    await this.openNetwork('');
    this.#activity.complain(failure);
  }

  /** Shows what the settings ask for, and computes what of it is missing; what takes minutes only when asked to. */
  async compute(asked = false): Promise<void> {
    this.#render();
    const explanations = this.#explanations;
    if (!explanations || explanations.missing(this.#settings).length === 0) return;
    const settings = this.#settings;
    const seconds = this.#estimate(explanations, settings);
    if (seconds > LONG && !asked) {
      this.#activity.offer(`This takes about ${Math.ceil(seconds / 60)} minutes here.`, () => void this.compute(true));
      return;
    }
    const started = performance.now();
    const done = await this.#activity.run(
      async (signal) => {
        announce('Computing.');
        await explanations.run(settings, signal, ({ mode, done, left }) => {
          const points = explanations.partial(settings, mode)?.outputStride;
          const size = points && explanations.network.inputSize / points;
          const parts = [mode, size && `${size} × ${size} points so far`, left !== undefined && timeLeft(left)];
          this.#activity.progress(parts.filter(Boolean).join(' · '), done);
          this.#render();
        });
      },
      () => void this.compute(true),
    );
    this.#render();
    if (!done) return;
    const took = formatSeconds((performance.now() - started) / 1000);
    this.#activity.progress(`Done in ${took}.`, 1);
    const shown = this.#shown();
    if (shown) announce(`Done in ${took}. ${strongest(shown)}`);
  }

  /** Seconds; 0 where the settings do not fit together, which `explain` then says. */
  #estimate(explanations: Explanations, settings: Settings): number {
    try {
      return explanations.estimate(settings);
    } catch {
      return 0;
    }
  }

  async measure(): Promise<void> {
    const [network, photo] = [this.#network, this.#photo];
    const button = element('measure', HTMLButtonElement);
    const status = element('measure-status', HTMLElement);
    if (button.textContent !== 'Measure') {
      this.#activity.stop();
      return;
    }
    if (!network || !photo) return;
    button.textContent = 'Stop measuring';
    const done = await this.#activity.run(
      (signal) =>
        measure(network, photo, {
          signal,
          onProgress: (text, share) => {
            this.#activity.progress(`Measuring. ${text}`, share);
            if (status.textContent !== text) status.textContent = text;
          },
        }),
      () => void this.compute(),
    );
    button.textContent = 'Measure';
    status.textContent = done ? 'Medians of three runs in turns.' : 'Stopped.';
    if (done) this.#activity.progress('Measured.', 1);
  }

  /** Saves the shown map over the photograph, at the photograph's own size. */
  async savePng(): Promise<void> {
    const shown = this.#shown();
    if (!shown) return;
    const { colormap, opacity } = this.#settings;
    const { width, height, data } = shown.overlay({ colormap, alpha: Number(opacity) / 100 });
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d')!;
    const image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++)
      image.data.set([data[3 * i], data[3 * i + 1], data[3 * i + 2], 255], 4 * i);
    context.putImageData(image, 0, 0);
    download(this.#fileName(shown, 'png'), await canvas.convertToBlob({ type: 'image/png' }));
  }

  /** Saves the shown map's numbers as they were computed: signed, at the mode's own resolution. */
  saveNpy(): void {
    const shown = this.#shown();
    if (!shown) return;
    const { width, height, data } = shown.raw;
    download(this.#fileName(shown, 'raw.npy'), new Blob([encodeNpy(data, [height, width]) as BlobPart]));
  }

  #fileName({ mode }: Explanation, ending: string): string {
    return `${this.#photo!.name.replace(/\.[^.]*$/, '')}.${mode}.${ending}`;
  }

  /** The finished explanation that is saved and whose predictions are listed: the right side's, or else the left side's. */
  #shown(): Explanation | undefined {
    const { left, right } = this.#settings;
    const view = right === 'original' ? left : right;
    return this.#finished(view as View);
  }

  #finished(view: View): Explanation | undefined {
    return view === 'original' ? undefined : this.#explanations?.finished(this.#settings, view);
  }

  #render(): void {
    const { colormap, opacity } = this.#settings;
    const any = this.#shown() ?? this.#finished('pooled');
    for (const side of SIDES) {
      const view = this.#settings[side] as View;
      this.#stage.show(side, this.#side(view), { colormap, opacity: Number(opacity) / 100, rect: any?.rect });
    }
    drawScale(element('scale', HTMLCanvasElement), colormap);
    this.#probe.show(SIDES.map((side) => this.#finished(this.#settings[side] as View)));
    if (any) this.#predictions.show(any.predictions, any.target.index);
    this.#showButtons();
  }

  #side(view: View): Side {
    if (view === 'original') return { view, caption: 'original' };
    const finished = this.#explanations?.finished(this.#settings, view);
    const size = this.#network?.inputSize;
    if (finished) {
      const { map, raw } = finished;
      const caption = `${view} · ${map.flat ? 'no evidence' : `${raw.width} × ${raw.height}`}`;
      return { view, map: map.data, size: map.width, caption };
    }
    const partial = this.#explanations?.partial(this.#settings, view);
    if (!partial || !size) return { view, caption: `${view} · not yet` };
    const points = size / partial.outputStride;
    return { view, map: partial.map, size, caption: `${view} · ${points} × ${points} so far` };
  }

  #showButtons(): void {
    for (const id of ['save-png', 'save-npy']) element(id, HTMLButtonElement).disabled = !this.#shown();
    element('measure', HTMLButtonElement).disabled = !this.#network || !this.#photo;
  }

  #writeAddress(): void {
    const { network, target } = this.#settings;
    const shared = { ...this.#settings, network: network === UNKEPT ? '' : network, target: this.#nameOf(target) };
    history.replaceState(null, '', formatAddress(shared) || location.pathname + location.search);
  }

  /** A class as it stands in the address: its label where that names it, else its number. */
  #nameOf(target: string): string {
    const labels = this.#network?.labels;
    const label = /^\d+$/.test(target) ? labels?.[Number(target)] : undefined;
    return label !== undefined && labels!.indexOf(label) === labels!.lastIndexOf(label) ? label : target;
  }
}

const timeLeft = (seconds: number): string =>
  seconds < 1 ? 'less than a second left' : `${Math.ceil(seconds)} s left`;

/** Where the map is highest, in words. */
function strongest({ map, mode, target }: Explanation): string {
  if (map.flat) return `No evidence for ${target.label} in ${mode}.`;
  const at = map.data.indexOf(Math.max(...rowMaxima(map)));
  const percent = (value: number) => `${Math.round((100 * value) / map.width)}%`;
  const [x, y] = [at % map.width, Math.floor(at / map.width)];
  return `The strongest evidence for ${target.label} in ${mode} lies ${percent(x)} from the left and ${percent(y)} from the top.`;
}

const rowMaxima = ({ width, height, data }: Explanation['map']): number[] =>
  Array.from({ length: height }, (_, y) => Math.max(...data.subarray(y * width, (y + 1) * width)));
