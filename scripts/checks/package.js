/**
 * Checks the package as npm would publish it: packs it, lints the tarball with publint and are-the-types-wrong, and compiles and
 * imports every entry from an empty project. Run after `npm run build`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const { name, exports: entries, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Entries that are modules, as a user imports them: `atrous-cam`, `atrous-cam/kernels`. */
const specifiers = Object.keys(entries)
  .filter((entry) => !entry.endsWith('.json') && !entry.includes('*'))
  .map((entry) => name + entry.slice(1));

/** What a package of ES modules alone is not for: `require`. */
const NOT_FOR = new Set(['node16-cjs']);

const folder = mkdtempSync(join(tmpdir(), `${name}-package-`));
try {
  const tarball = pack();
  const installed = install(tarball);
  const problems = [
    ...(await lint(tarball)),
    ...(await lintTypes(tarball)),
    ...checkTypes(),
    ...checkImports(),
    ...checkCommands(installed),
  ];
  console.log(`package: ${specifiers.length} entries, tarball of ${(statSync(tarball).size / 1e6).toFixed(2)} MB`);
  for (const problem of problems) console.error(`package: ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @returns {string} the tarball's path */
function pack() {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const options = { cwd: root, stdio: /** @type {const} */ (['ignore', 'pipe', 'pipe']) };
  const printed = execFileSync(npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], options);
  return join(folder, JSON.parse(printed.toString())[0].filename);
}

/** Unpacks the tarball where a project beside it finds it. @param {string} tarball @returns {string} its folder */
function install(tarball) {
  const target = join(folder, 'node_modules', name);
  mkdirSync(target, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', target, '--strip-components=1']);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  return target;
}

/** @param {string} tarball */
async function lint(tarball) {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball);
  const bytes = /** @type {ArrayBuffer} */ (buffer).slice(byteOffset, byteOffset + byteLength);
  const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true });
  return messages
    .filter(({ type }) => type !== 'suggestion')
    .map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`);
}

/** What are-the-types-wrong finds, as a package of ES modules alone sees it. @param {string} tarball */
async function lintTypes(tarball) {
  const result = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
  if (!result.types) return ['are-the-types-wrong: the package has no types'];
  return result.problems
    .filter((problem) => !('resolutionKind' in problem && NOT_FOR.has(problem.resolutionKind)))
    .map((problem) => `are-the-types-wrong: ${JSON.stringify(problem)}`);
}

/** The declarations by themselves, as Node and as bundlers resolve them, for a browser project without Node's types. */
function checkTypes() {
  writeFileSync(
    join(folder, 'user.ts'),
    `${specifiers.map((entry, i) => `export * as entry${i} from '${entry}';`).join('\n')}\n`,
  );
  const common = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable,esnext.disposable'];
  const ways = [
    ['--module', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ];
  return ways.flatMap((way) =>
    attempt(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...common, ...way, 'user.ts']),
  );
}

/** Each entry imports in Node, runs nothing and keeps nothing alive. */
function checkImports() {
  return specifiers.flatMap((entry) =>
    attempt(process.execPath, [
      '--input-type=module',
      '-e',
      `const m = await import('${entry}'); if (Object.keys(m).length === 0) throw new Error('${entry}: no exports');`,
    ]),
  );
}

/** @param {string} installed */
function checkCommands(installed) {
  return Object.values(/** @type {Record<string, string>} */ (bin)).flatMap((path) =>
    attempt(process.execPath, [join(installed, path), '--version']),
  );
}

/** Runs a program in the empty project; says what it said where it fails. @param {string} command @param {string[]} args */
function attempt(command, args) {
  try {
    execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
    return [];
  } catch (error) {
    const { stdout, stderr, message } = /** @type {{ stdout?: Buffer, stderr?: Buffer, message: string }} */ (error);
    return [`${stdout ?? ''}${stderr ?? ''}`.trim() || message];
  }
}
