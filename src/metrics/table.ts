import { AtrousCamError } from '../base/errors.js';

/** A table whose first line names its columns. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly Readonly<Record<string, string>>[];
}

/**
 * Reads CSV as RFC 4180 has it: cells with commas, line ends or quotes stand in quotes, and a quote in them is doubled. Empty lines are
 * skipped.
 *
 * @param name of the file, for messages
 * @throws AtrousCamError BAD_ARGUMENT: no line, quotes that do not match, a row of more or fewer cells than the first
 */
export function readTable(text: string, name: string): Table {
  const bad = (what: string) => new AtrousCamError('BAD_ARGUMENT', `"${name}": ${what}`);
  const lines = readCells(text.replace(/^\uFEFF/, ''), () => bad('has quotes that do not match'));
  const [columns, ...others] = lines;
  if (!columns) throw bad('is empty');
  const rows = others.map((cells, i) => {
    if (cells.length !== columns.length)
      throw bad(`row ${i + 1}: expected ${columns.length} cells, got ${cells.length}`);
    return Object.fromEntries(columns.map((column, k) => [column, cells[k]]));
  });
  return { columns, rows };
}

function readCells(text: string, mismatched: () => Error): string[][] {
  const lines: string[][] = [];
  let cells: string[] = [];
  const cell = /("[^"]*(?:""[^"]*)*"|[^",\r\n]*)(,|\r?\n|$)/y;
  while (cell.lastIndex < text.length || cells.length > 0) {
    const found = cell.exec(text);
    if (!found) throw mismatched();
    const [, content, end] = found;
    cells.push(content.startsWith('"') ? content.slice(1, -1).replaceAll('""', '"') : content);
    if (end === ',') continue;
    if (cells.length > 1 || cells[0] !== '') lines.push(cells);
    cells = [];
  }
  return lines;
}
