import { createHash } from 'node:crypto';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import type { Prediction } from '../base/types.js';
import { UsageError } from './context.js';
import type { LeftOut } from './left-out.js';
import type { ExplainFlags } from './options.js';
import { prepareFolder, writeFiles } from './output.js';
import { SCRIPT, STYLE } from './sheet-page.js';
import type { PictureEntry, Report } from './summary.js';
import type { ThumbnailMap } from './thumbnail.js';

/** What the sheet takes of a mode's part of an entry. */
interface ModeEntry {
  predictions: readonly Prediction[];
  target: { index: number; label: string };
  map: { flat: boolean };
  files: { picture?: string };
}

/** Classes that a picture's card names. */
const NAMED = 3;
/** Share of the colours over the photograph at first, in per cent. */
const OPACITY = 75;

/** The contact sheet that `--sheet` asks for. */
export const openSheet = (flags: Omit<ExplainFlags, 'mode'>): Sheet | undefined =>
  flags.sheet === undefined ? undefined : new Sheet(flags.sheet, flags);

/**
 * All pictures of a call in small, on one page that needs nothing beside it: an HTML file with its pictures, style and script inside. What
 * comes from outside, names of files and classes and messages, is text there and nothing else; a content security policy allows the
 * page's own script alone.
 */
export class Sheet implements Report {
  readonly #cards: string[] = [];
  readonly #classes = new Set<string>();
  readonly #modes = new Set<string>();
  readonly #removeUnusedFolder: () => void;
  #leftOut = 0;

  /** Throws UsageError for a name that does not end in .html, NOT_FOUND for a folder that cannot be written to. */
  constructor(
    readonly path: string,
    readonly flags: Pick<ExplainFlags, 'method' | 'opacity' | 'sign'>,
  ) {
    if (!/\.html?$/i.test(path)) throw new UsageError(`--sheet: expected a name that ends in .html, got "${path}"`);
    this.#removeUnusedFolder = prepareFolder(dirname(path), '--sheet');
  }

  add({ file, modes = {}, error, thumbnail, warnings = [] }: PictureEntry): void {
    const entries = Object.entries(modes) as [string, ModeEntry][];
    const last = entries.at(-1);
    if (error || !last) {
      this.#card(file, {}, `<p class="note">${escapeHtml(error?.message ?? 'nothing was computed')}</p>`);
      return;
    }
    const [mode, { predictions, target, map, files }] = last; // atrous, or the only one
    const [top] = predictions;
    const shown = thumbnail?.maps[mode];
    this.#classes.add(top.label);
    const lines = predictions.slice(0, NAMED).map(({ label, probability }) => classLine(label, probability));
    const isTop = target.index === top.index;
    const notes = [
      ...(isTop ? [] : [`explained: ${target.label}${percentOf(shown)}`]),
      ...(map.flat ? ['flat map: nothing speaks for it'] : []),
      ...warnings,
    ];
    const body = [
      thumbnail ? this.#pictures(thumbnail, Object.keys(modes), mode, files.picture) : '',
      headed(file),
      `<dl>${lines.join('')}</dl>`,
      ...notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`),
    ].join('');
    const data = {
      class: top.label,
      probability: top.probability,
      evidence: map.flat ? -1 : (shown?.probability ?? 1),
    };
    this.#card(
      file,
      data,
      body,
      predictions.slice(0, NAMED).map(({ label }) => label),
    );
  }

  addLeftOut(files: readonly LeftOut[]): void {
    this.#leftOut += files.length;
  }

  write(call: { weights?: { source: string } }): void {
    if (this.#cards.length === 0) return;
    const content = new TextEncoder().encode(this.#page(call.weights?.source ?? ''));
    writeFiles([{ path: this.path, content }]);
  }

  close(): void {
    this.#removeUnusedFolder();
  }

  #card(file: string, data: Record<string, string | number>, body: string, words: readonly string[] = []): void {
    const text = [file, ...words].join(' ').toLowerCase();
    const all = { name: basename(file), text, ...data };
    const attributes = Object.entries(all).map(([name, value]) => ` data-${name}="${escapeHtml(String(value))}"`);
    this.#cards.push(`<li${attributes.join('')}>${Object.keys(data).length > 0 ? '' : headed(file)}${body}</li>`);
  }

  /** The photograph with its maps over it, of which `shown` is seen first; a link to the figure. */
  #pictures(
    { width, height, photograph, maps }: NonNullable<PictureEntry['thumbnail']>,
    modes: readonly string[],
    shown: string,
    figure: string | undefined,
  ): string {
    const layers = modes.map((mode) => {
      this.#modes.add(mode);
      const isShown = mode === shown ? ' shown' : '';
      return `<img class="map${isShown}" data-mode="${mode}" alt="" src="data:image/png;base64,${maps[mode]?.map ?? ''}">`;
    });
    const photo = `<img alt="" width="${width}" height="${height}" src="data:image/jpeg;base64,${photograph}">`;
    const stack = `<span class="stack">${photo}${layers.join('')}</span>`;
    if (figure === undefined) return `<div class="picture">${stack}</div>`;
    return `<div class="picture"><a href="${escapeHtml(this.#address(figure))}" aria-label="${escapeHtml(`figure of ${basename(figure)}`)}">${stack}</a></div>`;
  }

  /** The address of a file beside the sheet. */
  #address(file: string): string {
    const path = relative(resolve(dirname(this.path)), resolve(file)).split(sep);
    return `./${path.map(encodeURIComponent).join('/')}`;
  }

  #page(source: string): string {
    const { method, opacity } = this.flags;
    const modes = [...this.#modes];
    const title = `${this.#cards.length} pictures, ${method}${modes.length === 1 ? `, ${modes[0]}` : ''}`;
    const left = this.#leftOut > 0 ? ` ${this.#leftOut} other files were left out.` : '';
    const classes = [...this.#classes].sort().map((label) => option(`=${label}`, label));
    const hash = createHash('sha256').update(SCRIPT).digest('base64');
    const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
    const percent = Math.round(opacity === undefined ? OPACITY : 100 * opacity);
    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<p>Network: ${escapeHtml(source)}. Each map is scaled to its own strongest point, so the colours do not say how sure the network is: the bars do.${left}
Pointing at a picture shows it without its map.</p>
</header>
<form hidden aria-label="Sort and filter">
<label>Sort by <select name="sort">${option('file', 'order of the files')}${option('name', 'name')}${option('class', 'class')}${option('weak', 'weakest evidence')}</select></label>
<label>Class <select name="class">${option('', 'all')}${classes.join('')}</select></label>
<label>Find <input name="text" type="search" placeholder="name or class"></label>
${
  modes.length > 1
    ? `<label>Map <select name="mode">${[...modes]
        .reverse()
        .map((mode) => option(mode, mode))
        .join('')}</select></label>\n`
    : ''
}<label><input name="maps" type="checkbox" checked> Maps</label>
<label>Opacity <input name="opacity" type="range" min="0" max="100" value="${percent}"></label>
<output></output>
</form>
<main>
<ul>
${this.#cards.join('\n')}
</ul>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
  }
}

const headed = (file: string) => `<h2 title="${escapeHtml(file)}">${escapeHtml(basename(file))}</h2>`;

const option = (value: string, text: string) => `<option value="${escapeHtml(value)}">${escapeHtml(text)}</option>`;

const percentOf = (map: ThumbnailMap | undefined) =>
  map?.probability === undefined ? '' : ` (${map.probability.toFixed(3)})`;

function classLine(label: string, probability: number): string {
  const width = Math.round(1000 * Math.min(1, Math.max(0, probability))) / 10;
  const name = `<dt title="${escapeHtml(label)}">${escapeHtml(label)}</dt>`;
  return `<div style="--share:${width}%">${name}<dd>${probability.toFixed(3)}</dd></div>`;
}

/** A text as HTML, in elements and in quoted attributes. */
function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (char) => entities[char]).replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}
