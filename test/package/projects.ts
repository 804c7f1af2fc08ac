import { execFile, execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
export const run = promisify(execFile);
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** Fresh projects of users into which the packed package was installed, in a folder of their own outside the repository. */
export class Projects implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'atrous-cam-projects-'));
  readonly #tarball: string;

  /** Packs dist as npm would publish it. */
  constructor() {
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', this.#folder];
    const printed = execFileSync(npm, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    this.#tarball = join(this.#folder, JSON.parse(printed)[0].filename);
  }

  /** A project with the sources of test/package/app and the package in its node_modules; nothing comes from a registry. */
  async create(name: string): Promise<string> {
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
    await run(npm, ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', this.#tarball], {
      cwd: folder,
    });
    cpSync(join(root, 'test/package/app'), join(folder, 'src'), { recursive: true });
    return folder;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
