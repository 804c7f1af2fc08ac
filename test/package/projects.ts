import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';

export const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
export const run = promisify(execFile);
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** What the programs of test/package/app work on. */
export const photo = join(root, 'photos/leonberger_abyssinian.jpg');
export const weights = join(root, 'test/fixtures/references/small/micro-vgg16.keras-official.h5');

/** What test/package/app/explain.js returns, by where it ran. */
export type Answers = { page: Answer; worker: Answer; ownWorker?: Answer };
export type Answer = Record<'predictions' | 'logits' | 'raw' | 'keras' | 'figure', unknown[]>;

/** What a project's program says in Node: the same in the calling thread and in a worker. */
export async function answersInNode(project: string): Promise<Answer> {
  const { stdout, stderr } = await run(process.execPath, ['src/node.js', photo, weights], { cwd: project });
  expect(stderr).toBe('');
  const { page, worker }: Answers = JSON.parse(stdout);
  expect(worker).toEqual(page);
  return page;
}

/** Fresh projects of users into which the packed package was installed, in a folder of their own outside the repository. */
export class Projects implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'atrous-cam-projects-'));
  readonly #tarball: string;
  readonly #env: Record<string, string | undefined>;

  /** Packs dist as npm would publish it. */
  constructor() {
    this.#env = { ...process.env, npm_config_cache: join(this.#folder, 'npm') }; // nothing is left in the user's own
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', this.#folder];
    const printed = execFileSync(npm, args, {
      cwd: root,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString();
    this.#tarball = join(this.#folder, JSON.parse(printed)[0].filename);
  }

  /** A project with the sources of test/package/app and the package in its node_modules; nothing comes from a registry. */
  async create(name: string): Promise<string> {
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
    await run(npm, ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', this.#tarball], {
      cwd: folder,
      env: this.#env,
    });
    cpSync(join(root, 'test/package/app'), join(folder, 'src'), { recursive: true });
    return folder;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
