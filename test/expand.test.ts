import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expandPictures } from '../src/cli/expand.js';

let folder: string;
const at = (...path: string[]) => join(folder, ...path);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'expand-'));
  const files = [
    'b.jpg',
    'B.JPEG',
    'a10.png',
    'a9.png',
    'notes.txt',
    '.hidden.png',
    'deep/c.jpg',
    'deep/er/d.png',
    '[x].jpg',
  ];
  for (const file of [...files, 'out/b.png', 'text/only.txt']) {
    mkdirSync(dirname(at(file)), { recursive: true });
    writeFileSync(at(file), '');
  }
  symlinkSync(folder, at('deep', 'circle'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Names that `expandPictures` gives for an argument inside the folder, as paths from it. */
const expand = (argument: string, options = {}) =>
  expandPictures([at(argument)], options).map(({ file, problem }) =>
    problem ? `! ${problem}` : relative(folder, file),
  );

describe('expandPictures', () => {
  const here = ['B.JPEG', '[x].jpg', 'a10.png', 'a9.png', 'b.jpg']; // by character codes, whatever the language of the system

  test('a folder is its pictures', () => {
    expect(expand('.')).toEqual(here);
    expect(expand('deep')).toEqual(['deep/c.jpg']);
  });

  test('recursive: those of its folders too, but nothing behind links to folders', () => {
    expect(expand('.', { recursive: true })).toEqual([...here, 'deep/c.jpg', 'deep/er/d.png', 'out/b.png'].sort());
  });

  test('the output folder holds no pictures of the call, unless it is named itself', () => {
    const options = { recursive: true, except: at('out') };
    expect(expand('.', options)).not.toContain('out/b.png');
    expect(expand('*/*.png', options)).toEqual(['! no file matches this pattern']);
    expect(expand('out', options)).toEqual(['out/b.png']);
  });

  test('a pattern is what it matches', () => {
    expect(expand('*.{png,jpg}')).toEqual(['[x].jpg', 'a10.png', 'a9.png', 'b.jpg']);
    expect(expand('deep/**/*.png')).toContain('deep/er/d.png');
  });

  test('a file whose name is a pattern is that file', () => {
    expect(expand('[x].jpg')).toEqual(['[x].jpg']);
  });

  test('arguments keep their order, and what names nothing is kept with the reason', () => {
    const items = expandPictures([at('b.jpg'), at('gone.jpg'), at('gone*.jpg'), at('text'), at('deep')]);
    expect(items).toEqual([
      { file: at('b.jpg') },
      { file: at('gone.jpg') },
      { file: at('gone*.jpg'), problem: 'no file matches this pattern' },
      { file: at('text'), problem: 'no file named like a picture in it; --recursive looks deeper' },
      { file: at('deep/c.jpg') },
    ]);
  });
});
