import { AtrousCamError } from '../base/errors.js';
import { nodeModule } from '../base/platform.js';
import { notWritten, writeAtomically } from './checkpoint.js';
import type { EpochReport } from './options.js';

const STEPS_HEAD = 'step,learningRate,loss\n';
const EPOCH_COLUMNS = [
  'epoch',
  'size',
  'step',
  'learningRate',
  'loss',
  'accuracy',
  'valLoss',
  'valAccuracy',
  'imagesPerSecond',
  'seconds',
] as const;

/** Steps whose rows are written at once. */
const FLUSH_EVERY = 50;

/** The files of a run. Those of the steps are written as they come, all others as a whole. */
export class RunFiles {
  #rows = '';
  #pending = 0;

  constructor(readonly folder: string) {}

  get checkpoint(): string {
    return `${this.folder}/checkpoint.safetensors`;
  }
  get network(): string {
    return `${this.folder}/network.safetensors`;
  }
  get curve(): string {
    return `${this.folder}/curve.svg`;
  }
  get #steps(): string {
    return `${this.folder}/steps.csv`;
  }

  /** Makes the folder and reads the checkpoint to continue from; refuses to write over a run that is not continued. */
  async prepare<T>(resume: boolean, read: (path: string) => Promise<T | undefined>): Promise<T | undefined> {
    const fs = await nodeModule('fs/promises');
    try {
      await fs.mkdir(this.folder, { recursive: true });
    } catch (cause) {
      throw new AtrousCamError(
        'NOT_FOUND',
        `out "${this.folder}": expected a folder that can be written, but ${(cause as Error).message}`,
        { cause },
      );
    }
    const exists = (await fs.stat(this.checkpoint).catch(() => undefined)) !== undefined;
    if (exists && !resume)
      throw new AtrousCamError(
        'BAD_ARGUMENT',
        `out "${this.folder}": holds the checkpoint of a run; resume continues it, another folder begins a new one`,
      );
    const stored = exists ? await read(this.checkpoint) : undefined;
    if (!stored) await fs.writeFile(this.#steps, STEPS_HEAD);
    return stored;
  }

  /** Takes the rows behind `step` away: what was done after the checkpoint is done again. */
  async cutSteps(step: number): Promise<void> {
    const fs = await nodeModule('fs/promises');
    const lines = (await fs.readFile(this.#steps, 'utf8').catch(() => STEPS_HEAD)).split('\n');
    const kept = lines.slice(1).filter((line) => line !== '' && Number(line.split(',')[0]) <= step);
    await writeAtomically(this.#steps, STEPS_HEAD + kept.map((line) => `${line}\n`).join(''));
  }

  async addStep(step: number, rate: number, loss: number): Promise<void> {
    this.#rows += `${step},${rate},${loss}\n`;
    if (++this.#pending >= FLUSH_EVERY) await this.flush();
  }

  async flush(): Promise<void> {
    const fs = await nodeModule('fs/promises');
    await fs.appendFile(this.#steps, this.#rows).catch((cause) => {
      throw notWritten(this.#steps, cause);
    });
    this.#rows = '';
    this.#pending = 0;
  }

  /** Writes all epochs, after the rows of their steps. */
  async writeEpochs(epochs: readonly EpochReport[]): Promise<void> {
    await this.flush();
    const rows = epochs.map((epoch) => EPOCH_COLUMNS.map((column) => epoch[column] ?? '').join(','));
    await writeAtomically(`${this.folder}/epochs.csv`, `${[EPOCH_COLUMNS.join(','), ...rows].join('\n')}\n`);
  }
}
