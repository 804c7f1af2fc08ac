import { formatSeconds } from '../src/base/format.js';
import { didYouMean } from '../src/base/suggest.js';
import { encodeNpy } from '../src/map/npy.js';
import type { WorkerNetwork } from '../src/worker.js';
import { Activity } from './activity.js';
import { Classes, chosenOf } from './classes.js';
import { announce, download, element } from './dom.js';
import { sortFiles } from './dropped.js';
import { Explanations } from './explanations.js';
import { buildForm, fitForm, readForm, UNKEPT, writeForm } from './form.js';
import { Gallery } from './gallery.js';
import { measure } from './measure.js';
import { PageError } from './messages.js';
import { describeThreads, NetworkPanel } from './network-panel.js';
import { Networks } from './networks.js';
import { openPhoto, openSample, type Photo, sampleOf } from './photo.js';
import { Probe } from './probe.js';
import { checkBrowser, type Source } from './session.js';
import { DEFAULTS, formatAddress, isIncluded, parseAddress, type Settings, VIEW_NAMES, type View } from './settings.js';
import { Stage } from './stage.js';
import { stepsOf } from './steps.js';
import { finished, render, shownBy, strongest } from './view.js';

/** Seconds beyond which a computation begins only when the visitor says so. */
const LONG = 240;
/** The address of a photograph that only this page has. */
const OWN = 'own';

/** The page: settings, photograph and network, and what follows from them. */
export class App {
  readonly #activity = new Activity();
  readonly #probe = new Probe();
  readonly #stage = new Stage((x, y) => this.#probe.moveTo(x, y));
  readonly #classes = new Classes((target) => this.#explain(target));
  readonly #gallery = new Gallery((name) => void this.openPhoto(name));
  readonly #panel = new NetworkPanel((stated) => void this.#networks.state(stated, this.#settings.target));
  readonly #networks = new Networks(this.#activity, {
    onUse: (network, source, target) => this.#useNetwork(network, source, target),
    onName: (network) => {
      this.#settings = { ...this.#settings, network };
      this.#writeAddress(true);
    },
    onStay: (network, stopped) => {
      if (!network) return;
      this.#settings = { ...this.#settings, network };
      this.#writeAddress(true);
      if (!stopped) void this.compute();
    },
  });
  #settings: Settings = DEFAULTS;
  #photo: Photo | undefined;
  #explanations: Explanations | undefined;
  /** Those of the photographs that were shown before, by the present network. */
  #known = new WeakMap<Photo, Explanations>();
  /** Counts what was asked for, so that what comes late is not taken. */
  #asked = 0;

  async start(): Promise<void> {
    buildForm();
    this.#settings = parseAddress(location.hash);
    const { photo, network, target } = this.#settings;
    await this.#networks.list(network);
    writeForm(this.#settings);
    try {
      checkBrowser();
    } catch (error) {
      this.#activity.complain(error);
      this.#activity.progress('', 0);
      return;
    }
    await this.openPhoto(photo, true);
    if (!(await this.#networks.open(network, target)) && !this.#networks.current && network !== DEFAULTS.network)
      await this.#networks.open(DEFAULTS.network);
    if (photo === OWN)
      this.#activity.complain(new PageError('NOT_KEPT', 'it was not kept when the page was loaded again'));
  }

  /** Forgets the kept network that is in use. */
  removeNetwork(): Promise<void> {
    return this.#networks.remove();
  }

  /** Shows what went wrong. */
  complain(error: unknown): undefined {
    this.#activity.complain(error);
  }

  /** What the form says now. `sliding`: a control is being moved, which is no step to go back to. */
  formChanged(sliding: boolean): void {
    const { network } = readForm();
    if (network !== this.#settings.network) {
      this.complain(undefined);
      this.#settings = { ...this.#settings, network, target: '' };
      this.#writeAddress();
      void this.#networks.open(network);
    } else {
      if (this.#networks.current) fitForm(this.#networks.current);
      this.change(readForm(), sliding);
    }
    writeForm(this.#settings);
  }

  /** The address was edited, or the visitor went back. */
  addressChanged(): void {
    const settings = parseAddress(location.hash);
    if (formatAddress(settings) === this.#address()) return;
    const { photo, ...rest } = settings;
    const isShown = photo === this.#shared().photo;
    const isLoaded = settings.network === this.#shared().network;
    this.#settings = { ...this.#settings, ...rest, ...(isLoaded && { network: this.#settings.network }) };
    if (!isLoaded) void this.#networks.open(settings.network, settings.target);
    else if (!this.#isKnown(settings.target)) this.#forgetTarget(settings.target);
    if (!isShown) void this.openPhoto(photo, true);
    writeForm(this.#settings);
    if (isShown) void this.compute();
  }

  /** Takes over changed settings: computes or only draws what they ask for. */
  change(changes: Partial<Settings>, replace = false): void {
    this.#settings = { ...this.#settings, ...changes };
    this.#writeAddress(replace);
    void this.compute();
  }

  /** Explains a class, or one rather than another. */
  #explain(target: string): void {
    const labels = this.#networks.current?.labels ?? [];
    if (target === 'top' || chosenOf(labels, target)) {
      this.#activity.complain(undefined);
      this.change({ target });
    } else
      this.#activity.complain(
        new PageError('BAD_ARGUMENT', `no class is called “${target}”${didYouMean(target, labels)}`),
      );
  }

  /** Switches between what comes by itself and the sharpest map there is. */
  sharpen(): void {
    this.change({ detail: this.#settings.detail === 'most' ? '' : 'most' });
  }

  /** Opens a sample, or an own photograph of the strip; what is not there becomes the first sample. */
  async openPhoto(name: string, replace = false): Promise<void> {
    const wanted = name === OWN ? (this.#gallery.latest ?? '') : name;
    const own = this.#gallery.own(wanted);
    const sample = sampleOf(wanted) ?? sampleOf(DEFAULTS.photo)!;
    const asked = ++this.#asked;
    try {
      const photo = own ?? (await openSample(sample));
      if (asked === this.#asked) await this.#usePhoto(photo, own ? wanted : sample.name, replace);
    } catch (error) {
      if (asked === this.#asked) this.#activity.complain(error);
    }
  }

  /** Files that were picked, dropped or pasted: photographs, the files of a network, or the names of its classes. */
  async openFiles(files: readonly File[]): Promise<void> {
    this.complain(undefined);
    const { photos, weights, labels } = await sortFiles(files);
    const stated = labels && { labels: await labels.text() };
    if (weights.length > 0) await this.#networks.openFiles(weights, stated);
    else if (stated) await this.#networks.state(stated, this.#settings.target);
    const asked = ++this.#asked;
    const opened = await Promise.allSettled(photos.map(openPhoto));
    const failure = opened.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
    const names = opened.flatMap((each) => (each.status === 'fulfilled' ? [this.#gallery.add(each.value)] : []));
    if (names.length > 0 && asked === this.#asked) await this.#usePhoto(this.#gallery.own(names[0])!, names[0], false);
    if (failure) this.#activity.complain(failure.reason);
  }

  async #usePhoto(photo: Photo, name: string, replace: boolean): Promise<void> {
    this.#photo = photo;
    this.#activity.complain(undefined);
    const isOther = name !== this.#settings.photo && !replace;
    this.#settings = { ...this.#settings, photo: name, ...(isOther && { target: '' }) };
    this.#writeAddress(replace);
    this.#gallery.mark(name);
    element('credit', HTMLElement).textContent = sampleOf(name)
      ? `${sampleOf(name)!.title}: composite of the Oxford-IIIT Pet Dataset, CC BY-SA 4.0.`
      : photo.name;
    this.#stage.open(photo.bitmap);
    this.#probe.open(photo.bitmap);
    this.#explanations = this.#explanationsOf(photo);
    await this.compute();
  }

  async #useNetwork(network: WorkerNetwork, source: Source, target: string): Promise<void> {
    this.#explanations = undefined;
    const known = this.#isKnown(target);
    const layer = network.layers.includes(this.#settings.layer) ? this.#settings.layer : '';
    this.#settings = { ...this.#settings, network: source.name, target: known ? target : '', layer };
    fitForm(network);
    this.#classes.setLabels(network.labels);
    this.#panel.show(network, source.stated, isIncluded(source.name));
    element('machine', HTMLElement).textContent = network.threads === 1 ? describeThreads() : '';
    writeForm(this.#settings);
    this.#settings = { ...this.#settings, ...readForm() };
    this.#writeAddress(true);
    this.#known = new WeakMap();
    this.#explanations = this.#photo && this.#explanationsOf(this.#photo);
    if (!known) this.#forgetTarget(target);
    void this.compute();
  }

  #isKnown(target: string): boolean {
    return target === '' || target === 'top' || chosenOf(this.#networks.current?.labels ?? [], target) !== undefined;
  }

  /** Says that the network has no such class. */
  #forgetTarget(target: string): void {
    this.#settings = { ...this.#settings, target: '' };
    this.#writeAddress(true);
    this.#activity.complain(new PageError('BAD_ARGUMENT', `no class of this network is called “${target}”`));
  }

  /** Shows what the settings ask for, and computes what of it is missing; what takes minutes only when asked to. */
  async compute(asked = false): Promise<void> {
    this.#render();
    const explanations = this.#explanations;
    const settings = this.#effective();
    if (!explanations || this.#networks.loading) return;
    const missing = explanations.missing(settings);
    if (missing.length === 0) {
      this.#activity.rest('Done.');
      return;
    }
    const seconds = explanations.estimate(missing);
    if (seconds > LONG && !asked) {
      this.#activity.offer(`This takes about ${Math.ceil(seconds / 60)} minutes here.`, () => void this.compute(true));
      return;
    }
    const started = performance.now();
    const done = await this.#activity.run(
      async (signal) => {
        announce('Computing.');
        await explanations.run(settings, signal, ({ mode, done, left }) => {
          const parts = [mode, left !== undefined && timeLeft(left)];
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
    const shown = shownBy(settings, explanations);
    if (shown) announce(`Done in ${took}. ${strongest(shown, this.#shownView())}`);
  }

  async measure(): Promise<void> {
    const [network, photo] = [this.#networks.current, this.#photo];
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

  /** Saves what the right side shows (the left one, where that is the photograph), at the photograph's own size. */
  async savePng(): Promise<void> {
    const side = this.#settings.right === 'original' ? 'left' : 'right';
    if (!shownBy(this.#effective(), this.#explanations)) return;
    const picture = this.#stage.picture(side);
    download(this.#fileName('png'), await picture.convertToBlob({ type: 'image/png' }));
  }

  /** Saves the shown map's numbers as they were computed: signed, at its own resolution. */
  saveNpy(): void {
    const shown = shownBy(this.#effective(), this.#explanations);
    if (!shown) return;
    const { width, height, data } = shown.raw;
    download(this.#fileName('raw.npy'), new Blob([encodeNpy(data, [height, width]) as BlobPart]));
  }

  #fileName(ending: string): string {
    return `${this.#photo!.name.replace(/\.[^.]*$/, '')}.${this.#shownView()}.${ending}`;
  }

  #shownView(): string {
    const { left, right } = this.#settings;
    return VIEW_NAMES[(right === 'original' ? left : right) as View];
  }

  #explanationsOf(photo: Photo): Explanations | undefined {
    const network = this.#networks.current;
    const known = this.#known.get(photo) ?? (network && new Explanations(network, photo));
    if (known) this.#known.set(photo, known);
    return known;
  }

  /** The settings with what they leave open: what the photograph and the network are about. */
  #effective(): Settings {
    const { target, photo } = this.#settings;
    const sample = sampleOf(photo);
    const pairs: Record<string, string | undefined> = {
      imagenet: sample?.versus,
      'cats-and-dogs': sample && 'dog/cat',
    };
    const wanted = target || pairs[this.#networks.name ?? ''] || 'top';
    const chosen = chosenOf(this.#networks.current?.labels ?? [], wanted);
    if (!chosen) return { ...this.#settings, target: 'top' };
    const { for: first } = chosen;
    const against = this.#settings.method === 'finercam' ? undefined : chosen.against; // it compares with the nearest itself
    return { ...this.#settings, target: against === undefined ? String(first) : `${first}/${against}` };
  }

  #render(): void {
    const settings = this.#effective();
    const explanations = this.#explanations;
    render({ stage: this.#stage, probe: this.#probe }, settings, explanations);
    const any = shownBy(settings, explanations) ?? finished(settings, explanations, 'usual');
    if (any)
      this.#classes.show(any, chosenOf(this.#networks.current!.labels, settings.target), settings.scale === 'shared');
    this.#showButtons(settings);
  }

  #showButtons(settings: Settings): void {
    for (const id of ['save-png', 'save-npy'])
      element(id, HTMLButtonElement).disabled = !shownBy(settings, this.#explanations);
    element('measure', HTMLButtonElement).disabled = !this.#networks.current || !this.#photo;
    const sharpest = element('sharpest', HTMLButtonElement);
    const most = this.#networks.current && stepsOf(this.#networks.current, settings, 'sharp').most;
    sharpest.hidden = !most;
    sharpest.setAttribute('aria-pressed', String(settings.detail === 'most'));
  }

  /** The settings as others can open them. */
  #shared(): Settings {
    const { photo, network, target } = this.#settings;
    return {
      ...this.#settings,
      photo: sampleOf(photo) ? photo : OWN,
      network: network === UNKEPT ? DEFAULTS.network : network,
      target: this.#nameOf(target),
    };
  }

  #address(): string {
    return formatAddress(this.#shared());
  }

  /** A new entry of the history, unless the present one is to be replaced. */
  #writeAddress(replace = false): void {
    const address = this.#address();
    if (address === location.hash) return;
    const url = address || location.pathname + location.search;
    if (replace) history.replaceState(null, '', url);
    else history.pushState(null, '', url);
  }

  /** A target as it stands in the address: labels where they name the classes, else numbers. */
  #nameOf(target: string): string {
    const labels = this.#networks.current?.labels;
    const name = (part: string) => {
      const label = /^\d+$/.test(part) ? labels?.[Number(part)] : undefined;
      const isName =
        label !== undefined && !label.includes('/') && labels!.indexOf(label) === labels!.lastIndexOf(label);
      return isName ? label : part;
    };
    return target.split('/').map(name).join('/');
  }
}

const timeLeft = (seconds: number): string =>
  seconds < 1 ? 'less than a second left' : `${Math.ceil(seconds)} s left`;
