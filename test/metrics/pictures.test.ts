import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodePng } from '../../src/image/decode.js';
import { type MaskedPicture, readGround, readMaskedPictures } from '../../src/metrics/masked-pictures.js';
import { readTable } from '../../src/metrics/table.js';
import { maskOf, writeMaskedPictures } from '../support/masked-pictures.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'masks-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const index = (text: string) => writeFileSync(join(folder, 'index.csv'), text);

describe('readTable', () => {
  it('reads cells as RFC 4180 writes them', () => {
    const text = '\uFEFFa,b,c\r\n1,"x, ""y""\nz",\r\n\r\n,,3';
    expect(readTable(text, 't')).toEqual({
      columns: ['a', 'b', 'c'],
      rows: [
        { a: '1', b: 'x, "y"\nz', c: '' },
        { a: '', b: '', c: '3' },
      ],
    });
    expect(readTable('a\n', 't')).toEqual({ columns: ['a'], rows: [] });
  });

  it('refuses what is no table', () => {
    expect(() => readTable('', 't')).toThrow('"t": is empty');
    expect(() => readTable('a,b\n1,2\n3', 't')).toThrow('"t": row 2: expected 2 cells, got 1');
    for (const text of ['a,"b\n1,2', 'a,"b"c', 'a,b"'])
      expect(() => readTable(text, 't')).toThrow('"t": has quotes that do not match');
  });
});

describe('readMaskedPictures', () => {
  it('gives the pictures of the index with their boxes', async () => {
    writeMaskedPictures(folder, ['cat', 'dog'], 2);
    const pictures = await readMaskedPictures(folder);
    expect(pictures.map(({ file, label }) => [file, label])).toEqual([
      ['cat/0.png', 'cat'],
      ['cat/1.png', 'cat'],
      ['dog/0.png', 'dog'],
      ['dog/1.png', 'dog'],
    ]);
    expect(pictures[3]).toMatchObject({ body: { x: 5, y: 6, width: 16, height: 25 }, row: { body_x1: '21' } });
    expect(pictures[3].head).toBeUndefined();
    for (const { path, maskPath } of pictures) expect([path, maskPath].every((one) => existsSync(one))).toBe(true);
  });

  it('takes the class from the column that is named', async () => {
    index('file,mask,species,breed,head_x0,head_y0,head_x1,head_y1\na.png,m.png,dog,boxer,1,2,4,8\n');
    const [picture] = await readMaskedPictures(folder, { classColumn: 'breed' });
    expect(picture).toMatchObject({ label: 'boxer', head: { x: 1, y: 2, width: 3, height: 6 } });
  });

  it('says what is missing', async () => {
    const refused = (path = folder) => readMaskedPictures(path).catch((error) => `${error.code} ${error.message}`);
    const expected = 'expected a folder with an index.csv, but';
    expect(await refused(join(folder, 'none'))).toBe(
      `NOT_FOUND "${join(folder, 'none')}": ${expected} nothing is there`,
    );
    expect(await refused()).toBe(`NOT_FOUND "${folder}": ${expected} it has no index.csv`);
    index('file,species\na.png,cat\n');
    const path = join(folder, 'index.csv');
    expect(await refused(path)).toBe(`NOT_FOUND "${path}": ${expected} it is a file`);
    const columns = 'expected the columns file, mask and species (the class), got file, species';
    expect(await refused()).toBe(`BAD_ARGUMENT "${path}": ${columns}`);
    index('file,mask,species\n');
    expect(await refused()).toBe(`BAD_ARGUMENT "${path}": has no picture`);
    index('file,mask,species\na.png,a.png,cat\nb.png,,cat\n');
    expect(await refused()).toBe(`BAD_ARGUMENT "${path}": row 2: the cell of mask is empty`);
    index('file,mask,species,body_x0,body_y0,body_x1,body_y1\na.png,m.png,cat,1,2,1,9\n');
    const box = 'expected a box in body_x0 ... body_y1, got 1,2,1,9';
    expect(await refused()).toBe(`BAD_ARGUMENT "${path}": row 1: ${box}`);
  });
});

describe('readGround', () => {
  const image = { width: 40, height: 20, data: new Uint8Array(2400) };
  const seen = { image, rect: { x: 10, y: 0, width: 20, height: 20 } };
  const pictureOf = (more: Partial<MaskedPicture> = {}): MaskedPicture => {
    const maskPath = join(folder, 'm.png');
    return { file: 'a.png', path: join(folder, 'a.png'), maskPath, label: 'cat', row: {}, ...more };
  };
  const writeMask = (width: number, height: number, box: readonly number[]) =>
    writeFileSync(join(folder, 'm.png'), encodePng(maskOf(width, height, box)));

  it('gives mask and box as the network sees them', async () => {
    writeMask(40, 20, [14, 4, 22, 10]);
    const { mask, box } = await readGround(pictureOf(), seen, 40);
    expect(box).toEqual({ x: 8, y: 8, width: 16, height: 12 });
    expect(mask.data.reduce((a, b) => a + b)).toBe(16 * 12);
    const inner = await readGround(pictureOf(), seen, 40, 129);
    expect(inner.box).toEqual({ x: 10, y: 10, width: 12, height: 8 });
    const body = { x: 0, y: 5, width: 20, height: 10 };
    expect((await readGround(pictureOf({ body }), seen, 40)).box).toEqual({ x: 0, y: 10, width: 20, height: 20 });
    const outside = { x: 0, y: 5, width: 9, height: 10 };
    expect((await readGround(pictureOf({ body: outside }), seen, 40)).box).toEqual(box);
  });

  it('refuses masks that do not fit', async () => {
    const refused = () => readGround(pictureOf(), seen, 40).catch((error) => `${error.code} ${error.message}`);
    const name = `mask "${join(folder, 'm.png')}":`;
    expect(await refused()).toBe(`NOT_FOUND ${name} no such file`);
    writeMask(20, 20, [1, 1, 9, 9]);
    expect(await refused()).toBe(`BAD_IMAGE ${name} expected the photograph's 40 x 20 pixels, got 20 x 20`);
    writeMask(40, 20, [30, 0, 40, 20]);
    expect(await refused()).toBe(`BAD_IMAGE ${name} nothing of the object is in the part that the network sees`);
    writeFileSync(join(folder, 'm.png'), 'text');
    expect(await refused()).toContain(`BAD_IMAGE ${name} expected a PNG, JPEG, WebP, GIF, BMP or AVIF file`);
  });
});
