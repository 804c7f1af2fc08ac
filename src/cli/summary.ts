import { dirname } from 'node:path';
import type { Prediction } from '../base/types.js';
import { UsageError } from './context.js';
import type { LeftOut } from './left-out.js';
import { prepareFolder, writeFiles } from './output.js';
import type { Thumbnail } from './thumbnail.js';

/** A picture's part of the JSON document. */
export interface PictureEntry {
  file: string;
  modes?: Record<string, object>;
  error?: { code: string; message: string };
  /** What was wrong with its file, though it could be read. */
  warnings?: readonly string[];
  /** It was finished by an earlier call. */
  skipped?: boolean;
  /** For a contact sheet; no part of the document. */
  thumbnail?: Thumbnail;
}

/** What a call over many pictures leaves behind: a table, a contact sheet. */
export interface Report {
  readonly path: string;
  add(entry: PictureEntry): void;
  /** Files that were not taken for pictures. */
  addLeftOut(files: readonly LeftOut[]): void;
  /** Writes the file as a whole; nothing where there is nothing to tell. `call` says what holds for all pictures. */
  write(call: object): void;
  /** Takes away the folder that was made for the file, if nothing was written. */
  close(): void;
}

/** What the summary takes of a mode's part; `predict` gives the predictions only. */
interface ModeEntry {
  predictions: readonly Prediction[];
  target?: { index: number; label: string };
  score?: number;
  map?: { flat: boolean };
  seconds?: number;
  /** Paths of what was written, by what it is. */
  files?: Record<string, string>;
}

const COLUMNS = [
  ...['file', 'mode', 'index', 'label', 'probability'],
  ...['target_index', 'target_label', 'score', 'flat', 'seconds', 'skipped', 'error', 'message', 'warnings'],
  ...['picture', 'raw', 'map', 'overlay', 'heatmap'],
] as const;

type Cell = string | number | boolean | undefined;

/** The table that `--summary` asks for. */
export const openSummary = (path: string | undefined) => (path === undefined ? undefined : new Summary(path));

/** Table of a call over many pictures, written to one file at its end: CSV, or JSON with the same fields. */
export class TableFile<Column extends string> {
  readonly #rows: Partial<Record<Column, Cell>>[] = [];
  readonly #removeUnusedFolder: () => void;

  /** Throws UsageError for a name that ends neither in .csv nor in .json, NOT_FOUND for a folder that cannot be written to. */
  constructor(
    readonly path: string,
    readonly columns: readonly Column[],
  ) {
    if (!/\.(csv|json)$/i.test(path))
      throw new UsageError(`--summary: expected a name that ends in .csv or .json, got "${path}"`);
    this.#removeUnusedFolder = prepareFolder(dirname(path), '--summary');
  }

  /** What does not apply is left out. */
  addRow(row: Partial<Record<Column, Cell>>): void {
    this.#rows.push(row);
  }

  /** Writes the file as a whole; nothing where there is nothing to tell. `call` is what the JSON document says before its rows. */
  write(call: object): void {
    if (this.#rows.length === 0) return;
    const text = /\.csv$/i.test(this.path)
      ? this.#csv()
      : `${JSON.stringify({ ...call, rows: this.#rows }, null, 2)}\n`;
    writeFiles([{ path: this.path, content: new TextEncoder().encode(text) }]);
  }

  /** Takes away the folder that was made for the file, if nothing was written. */
  close(): void {
    this.#removeUnusedFolder();
  }

  #csv(): string {
    const lines = this.#rows.map((row) => this.columns.map((column) => csvCell(row[column])));
    return [this.columns, ...lines].map((cells) => `${cells.join(',')}\r\n`).join('');
  }
}

/** One row a mode of a picture, or a picture that failed. */
export class Summary extends TableFile<(typeof COLUMNS)[number]> implements Report {
  constructor(path: string) {
    super(path, COLUMNS);
  }

  /** Files that were not taken for pictures. */
  addLeftOut(files: readonly LeftOut[]): void {
    for (const { file, reason } of files) this.addRow({ file, error: 'LEFT_OUT', message: reason });
  }

  add({ file, modes = {}, error, skipped = false, warnings }: PictureEntry): void {
    if (error) this.addRow({ file, error: error.code, message: error.message });
    for (const [mode, entry] of Object.entries(modes)) {
      const { predictions, target, score, map, seconds, files } = entry as ModeEntry;
      const explained = { target_index: target?.index, target_label: target?.label, score, flat: map?.flat, seconds };
      this.addRow({
        file,
        mode,
        ...predictions[0],
        ...explained,
        skipped,
        warnings: warnings?.join('; '),
        ...files,
      } as Partial<Record<(typeof COLUMNS)[number], Cell>>);
    }
  }
}

/** A value as RFC 4180 writes it. */
function csvCell(value: Cell): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
