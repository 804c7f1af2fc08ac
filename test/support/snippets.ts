import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

/** The code that the documentation shows, made ready to be compiled and run. */
export interface Snippet {
  /** `docs/library.md:26`, or the call that it is an example of. */
  readonly where: string;
  readonly code: string;
  /** The entry of the package that a name comes from if it is not imported. */
  readonly entry: string;
}

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const ENTRIES = ['index', 'metrics', 'training', 'kernels', 'worker'];
const specifier = (entry: string) => (entry === 'index' ? 'atrous-cam' : `atrous-cam/${entry}`);
const typesOf = (entry: string) => join(root, `dist/types/${entry}.d.ts`);

/** The pages of documentation, from the root. */
export const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'examples/README.md',
].sort();

/** The fenced blocks of a language. */
export function blocks(page: string, languages: RegExp): Snippet[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)]
    .filter(([, language]) => languages.test(language))
    .map(({ 2: code, index }) => ({
      where: `${page}:${text.slice(0, index).split('\n').length}`,
      code,
      entry: 'index',
    }));
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: [
    'lib.es2022.d.ts',
    'lib.dom.d.ts',
    'lib.dom.iterable.d.ts',
    'lib.dom.asynciterable.d.ts',
    'lib.esnext.disposable.d.ts',
  ],
  types: ['node'],
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  paths: Object.fromEntries([...ENTRIES, 'worker-host'].map((entry) => [specifier(entry), [typesOf(entry)]])),
};

/** What the built types export: names by entry, the examples of calls, and the calls that have none. */
export interface Exports {
  readonly names: ReadonlyMap<string, ReadonlySet<string>>;
  readonly examples: readonly Snippet[];
  readonly bare: readonly string[];
}

/** What callers implement, and what needs no example: the end of a life. */
const WITHOUT = /^(WorkerLike|Probe|Loaded)\.|\.(dispose|__@dispose.*)$/;

export function readExports(): Exports {
  const program = ts.createProgram(ENTRIES.map(typesOf), options);
  const checker = program.getTypeChecker();
  const names = new Map<string, ReadonlySet<string>>();
  const examples: Snippet[] = [];
  const bare: string[] = [];
  const seen = new Set<ts.Symbol>();
  for (const entry of ENTRIES) {
    const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(typesOf(entry))!)!);
    names.set(entry, new Set(exported.map(({ name }) => name)));
    const note = (symbol: ts.Symbol, name: string, isNeeded: boolean) => {
      const tags = symbol.getJsDocTags(checker).filter((tag) => tag.name === 'example');
      const isNew = ({ text }: ts.JSDocTagInfo) => {
        const code = ts.displayPartsToString(text);
        return !examples.some((known) => known.code === code); // a class has its interface's
      };
      for (const { text } of tags.filter(isNew))
        examples.push({ where: `${specifier(entry)}: ${name}`, code: ts.displayPartsToString(text), entry });
      if (isNeeded && tags.length === 0 && !WITHOUT.test(name)) bare.push(`${specifier(entry)}: ${name}`);
    };
    for (const given of exported) {
      const symbol = given.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(given) : given;
      if (seen.has(symbol)) continue;
      seen.add(symbol);
      note(symbol, given.name, (symbol.flags & ts.SymbolFlags.Function) !== 0);
      if (!(symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface))) continue;
      for (const member of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))) {
        const [declared] = member.declarations ?? [];
        const isOurs = declared?.getSourceFile().fileName.includes('/dist/types/');
        const isMethod = declared && (ts.isMethodDeclaration(declared) || ts.isMethodSignature(declared));
        if (isOurs && isMethod && !seen.has(member)) note(member, `${given.name}.${member.name}`, true);
        seen.add(member);
      }
    }
  }
  return { names, examples, bare };
}

/** A snippet as a module: what it does not declare is imported from the package or from the stand-ins. */
export function moduleOf({ code, entry }: Snippet, { names }: Exports, standIns: ReadonlySet<string>): string {
  const free = freeNames(code);
  const imports = [...free].flatMap((name) => {
    const from = [entry, ...ENTRIES].find((one) => names.get(one)!.has(name));
    if (standIns.has(name)) return `import { ${name} } from './stand-ins.js';`;
    return from ? `import { ${name} } from '${specifier(from)}';` : [];
  });
  return [...imports, code, 'export {};'].join('\n');
}

/** Names that a piece of code uses and does not declare. */
function freeNames(code: string): Set<string> {
  const used = new Set<string>();
  const declared = new Set<string>();
  const visit = (node: ts.Node, parent: ts.Node) => {
    if (ts.isIdentifier(node)) {
      const isDeclaration =
        ((ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isBindingElement(parent)) &&
          parent.name === node) ||
        ts.isImportSpecifier(parent);
      const isProperty =
        (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
        (ts.isPropertyAssignment(parent) && parent.name === node) ||
        (ts.isBindingElement(parent) && parent.propertyName === node);
      if (isDeclaration) declared.add(node.text);
      else if (!isProperty) used.add(node.text);
    }
    ts.forEachChild(node, (child) => visit(child, node));
  };
  const source = ts.createSourceFile('snippet.ts', code, ts.ScriptTarget.ES2022, true);
  visit(source, source);
  return new Set([...used].filter((name) => !declared.has(name)));
}

/** What the compiler says of modules by name, which lie nowhere: one line each. */
export function problemsOf(modules: ReadonlyMap<string, string>): string[] {
  const host = ts.createCompilerHost(options, true);
  const folder = join(root, 'test/snippets');
  const nameOf = (path: string) => relative(folder, path).replaceAll('\\', '/');
  const { readFile, fileExists, directoryExists, getSourceFile } = host;
  host.directoryExists = (path) => resolve(path) === folder || directoryExists!(path);
  host.readFile = (path) => modules.get(nameOf(path)) ?? readFile(path);
  host.fileExists = (path) => modules.has(nameOf(path)) || fileExists(path);
  host.getSourceFile = (path, language, ...more) => {
    const text = modules.get(nameOf(path));
    return text === undefined ? getSourceFile(path, language, ...more) : ts.createSourceFile(path, text, language);
  };
  const program = ts.createProgram(
    [...modules.keys()].map((name) => join(folder, name)),
    options,
    host,
  );
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    return file ? `${nameOf(file.fileName)}: ${text}` : text;
  });
}

type Run = (standIns: Record<string, unknown>, ...more: unknown[]) => Promise<unknown>;

/** A module as a function: its imports come from dist. */
export function runnable(module: string): Run {
  const code = module
    .replace(/^import \{ (\w+) \} from '\.\/stand-ins\.js';$/gm, "const $1 = standIns['$1'];")
    .replace(/^import (\{.*\}) from '(atrous-cam[\w/-]*)';$/gm, (_, list: string, from: string) => {
      const file = from === 'atrous-cam' ? 'index' : from.replace('atrous-cam/', '');
      return `const ${list.replaceAll(' as ', ': ')} = await fromDist('${pathToFileURL(join(root, `dist/${file}.js`)).href}');`;
    })
    .replace(/^import '.*';$/gm, '')
    .replace(/^export \{\};$/gm, '');
  const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => Run;
  const run = new AsyncFunction('standIns', 'fromDist', code);
  return (standIns) => run(standIns, (url: string) => import(/* @vite-ignore */ url));
}
