import { readFileSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { globSync } from 'tinyglobby';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** The rules of ARCHITECTURE.md, read from the sources. */

/** The folders of `src` from the top of the pipeline down: a file imports from its own row or from rows below it. */
const LAYERS = [
  ['command'],
  ['cli'],
  ['entries'],
  ['worker', 'metrics', 'training'],
  ['library'],
  ['calls', 'kernels'],
  ['methods'],
  ['run'],
  ['plan'],
  ['operators'],
  ['weights'],
  ['graph'],
  ['map', 'image', 'figure'],
  ['wasm'],
  ['base'],
];
/** Files at the top of `src` that others may import: the library itself, which the command and training use as anyone does. */
const LIBRARY = ['src/index.ts', 'src/api.ts', 'src/kernels.ts'];
/** Most files that lie flat in `src`. */
const FLAT = 12;

interface Import {
  from: string;
  to: string;
  /** Whether it is there for types alone, and so leaves nothing in the code that runs. */
  types: boolean;
}

const root = new URL('..', import.meta.url).pathname;
const read = (file: string) => readFileSync(root + file, 'utf8');
const files = (pattern: string) => globSync(pattern, { cwd: root }).sort();
const sources = files('src/**/*.ts').filter((file) => !file.endsWith('.d.ts'));
const imports = sources.flatMap(importsOf);

function importsOf(from: string): Import[] {
  const found: Import[] = [];
  const add = (path: string, types: boolean) => {
    const to = path.startsWith('.') ? normalize(`${dirname(from)}/${path}`).replace(/\.js$/, '.ts') : path;
    found.push({ from, to, types });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause;
      const named = clause?.namedBindings;
      const onlyTypes =
        !!clause && !clause.name && !!named && ts.isNamedImports(named) && named.elements.every((e) => e.isTypeOnly);
      add((node.moduleSpecifier as ts.StringLiteral).text, !!clause?.isTypeOnly || onlyTypes);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      const named = node.exportClause;
      const onlyTypes = !!named && ts.isNamedExports(named) && named.elements.every((e) => e.isTypeOnly);
      add((node.moduleSpecifier as ts.StringLiteral).text, node.isTypeOnly || onlyTypes);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [path] = node.arguments;
      if (ts.isStringLiteral(path)) add(path.text, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(from, read(from), ts.ScriptTarget.ES2022, true));
  return found;
}

function layerOf(file: string): number {
  const [, folder, inner] = file.split('/');
  const flat = file === 'src/cli.ts' ? 'command' : LIBRARY.includes(file) ? 'library' : 'entries';
  const name = inner !== undefined ? folder : flat;
  return LAYERS.findIndex((row) => row.includes(name));
}

describe('the source tree', () => {
  it('is read at all', () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(imports.length).toBeGreaterThan(300);
  });

  it('has rooms: few files lie flat, and every folder has its place in the pipeline', () => {
    expect(sources.filter((file) => file.split('/').length === 2).length).toBeLessThanOrEqual(FLAT);
    expect(sources.filter((file) => layerOf(file) < 0)).toEqual([]);
  });

  it('has no import that leads upward, but for types', () => {
    const upward = imports.filter(
      ({ from, to, types }) => !types && sources.includes(to) && layerOf(to) < layerOf(from),
    );
    expect(upward.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
  });

  it('has no circle of imports, but for types', () => {
    const next = new Map(sources.map((file) => [file, [] as string[]]));
    for (const { from, to, types } of imports) if (!types) next.get(to) && next.get(from)!.push(to);
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: string[]) => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      else if (!done.has(file)) for (const to of next.get(file)!) visit(to, [...path, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('loads chunks through base/lazy.ts, which says what an engine without import() needs', () => {
    const library = sources.filter((file) => !file.startsWith('src/cli') && file !== 'src/base/lazy.ts');
    const bare = library.filter((file) =>
      /(?<!lazy\(\(\) => )\bimport\('\./.test(read(file).replace(/typeof import\('/g, '')),
    );
    expect(bare).toEqual([]);
  });

  it('keeps src and assembly apart', () => {
    expect(imports.filter(({ to }) => to.startsWith('assembly/') || to.startsWith('../'))).toEqual([]);
    expect(files('assembly/**/*.ts').filter((file) => /from '[^']*\bsrc\//.test(read(file)))).toEqual([]);
  });

  it("touches the wasm memory's buffer in the arena alone", () => {
    const touching = sources.filter((file) => /memory\.buffer|\.memory\b[^;]*\.buffer/.test(read(file)));
    expect(touching).toEqual(['src/wasm/arena.ts']);
  });

  it("imports Node's modules in the command alone", () => {
    const node = imports.filter(
      ({ from, to, types }) => !types && to.startsWith('node:') && !from.startsWith('src/cli'),
    );
    expect(node).toEqual([]);
  });
});
