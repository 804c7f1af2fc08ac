import type { WorkerNetwork } from '../src/worker.js';
import type { Activity } from './activity.js';
import { announce, element } from './dom.js';
import { listNetworks, UNKEPT } from './form.js';
import { keep, listKept, openKept, removeKept } from './kept-weights.js';
import { isAbort, type PageError } from './messages.js';
import { loadNetwork, type Source, type Stated } from './session.js';
import { DEFAULTS, INCLUDED } from './settings.js';

/** What the page does about networks. */
export interface Events {
  /** Another network, or the same one with other things stated, is to be used; `target` is what it is to explain. */
  onUse(network: WorkerNetwork, source: Source, target: string): Promise<void>;
  /** The network that is used has another name: it is kept now. */
  onName(name: string): void;
  /** Another one was not loaded, because it cannot be or, with `stopped`, because the visitor said so. */
  onStay(name: string | undefined, stopped: boolean): void;
}

/** The network in use, and how others take its place. */
export class Networks {
  #current: WorkerNetwork | undefined;
  #source: Source | undefined;
  /** Counts loads, so that one whose place another took says nothing. */
  #loads = 0;
  /** The load that goes on. */
  #loading: number | undefined;
  /** Chosen weight files that are not kept. */
  #unkept: readonly File[] | undefined;

  constructor(
    readonly activity: Activity,
    readonly events: Events,
  ) {}

  get current(): WorkerNetwork | undefined {
    return this.#current;
  }

  /** The name of the network in use. */
  get name(): string | undefined {
    return this.#source?.name;
  }

  /** Whether one is being loaded: then nothing is computed, which would stop it. */
  get loading(): boolean {
    return this.#loading !== undefined;
  }

  /** Fills the list of networks. */
  async list(chosen = this.#source?.name ?? DEFAULTS.network): Promise<void> {
    listNetworks(await listKept(), chosen, this.#unkept?.[0].name);
  }

  /** Loads an included network, a kept one by its name, or the files that are not kept. */
  open(name: string, target = ''): Promise<boolean> {
    const included = INCLUDED.find((each) => each.name === name);
    const open = async () => (included ? included.source : name === UNKEPT ? this.#unkept : openKept(name));
    return this.#load({ name, open, stated: {} }, target);
  }

  /** Loads weights of the visitor's own and keeps them, where they are one file and the visitor wants that. */
  async openFiles(files: readonly File[], stated: Stated = {}): Promise<void> {
    const before = this.#unkept;
    this.#unkept = files;
    const open = async () => (files.length === 1 ? files[0] : files);
    const loaded = await this.#load({ name: UNKEPT, open, stated }, '');
    if (!loaded) this.#unkept = before;
    else if (files.length === 1 && element('keep', HTMLInputElement).checked) await this.#keep(files);
  }

  async #keep(files: readonly File[]): Promise<void> {
    const [file] = files;
    const facts = element('network-facts', HTMLElement);
    const text = facts.textContent;
    facts.textContent = `${text} · keeping a copy …`;
    try {
      await keep(file);
      if (this.#unkept !== files || this.#source?.name !== UNKEPT) return;
      this.#unkept = undefined;
      this.#source = { ...this.#source, name: file.name, open: () => openKept(file.name) };
      this.events.onName(file.name);
      announce(`${file.name} is kept in this browser.`);
    } catch (error) {
      this.activity.complain(error);
    } finally {
      facts.textContent = text;
      await this.list();
    }
  }

  /** Forgets the kept file that is in use, and goes back to the included network. */
  async remove(): Promise<void> {
    const { name } = this.#source!;
    await removeKept(name);
    announce(`${name} was removed from this browser.`);
    await this.open(DEFAULTS.network);
  }

  /** Loads the network again with what the visitor states of it. */
  async state(stated: Stated, target: string): Promise<void> {
    if (this.#source) await this.#load({ ...this.#source, stated: { ...this.#source.stated, ...stated } }, target);
  }

  /**
   * Loads a network beside the present one, which stays where the new one cannot be used. Where both do not fit into memory, the
   * present one makes room.
   */
  async #load(source: Source, target: string): Promise<boolean> {
    const before = this.#source;
    const loaded = await this.#loadBeside(source, target);
    if (loaded !== 'OUT_OF_MEMORY' || !this.#current || !before) return loaded === true;
    this.#current.dispose();
    this.#current = undefined;
    if ((await this.#loadBeside(source, target)) === true) return true;
    await this.#loadBeside(before, '');
    return false;
  }

  /** Whether it was loaded, or the code of what went wrong. */
  async #loadBeside(source: Source, target: string): Promise<boolean | string> {
    let network: WorkerNetwork | undefined;
    let failure: unknown;
    const load = ++this.#loads;
    this.#loading = load;
    await this.activity.run(
      async (signal) => {
        const onProgress = (done: number) => this.activity.progress('Loading the network …', done);
        onProgress(0);
        try {
          network = await loadNetwork(source, { signal, onProgress });
        } catch (error) {
          failure = error;
          throw error;
        }
      },
      () => void this.#load(source, target),
    );
    if (this.#loading !== load) {
      network?.dispose();
      return false;
    }
    this.#loading = undefined;
    if (!network) {
      await this.list();
      this.events.onStay(this.#source?.name, isAbort(failure));
      return (failure as PageError | undefined)?.code ?? false;
    }
    this.#current?.dispose();
    this.#current = network;
    this.#source = source;
    await this.list();
    await this.events.onUse(network, source, target);
    return true;
  }
}
