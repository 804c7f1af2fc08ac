/** Checks the workflows of .github, part of `npm run lint`: with actionlint, and that each action is pinned by its hash. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createLinter } from 'actionlint';

const folder = fileURLToPath(new URL('../../.github/workflows/', import.meta.url));
const lint = await createLinter();
const problems = readdirSync(folder).flatMap((name) => {
  const text = readFileSync(folder + name, 'utf8');
  const loose = [...text.matchAll(/uses: (\S+)/g)].filter(([, action]) => !/@[0-9a-f]{40}$/.test(action));
  return [
    ...lint(text, name).map(({ line, message }) => `${name}:${line}: ${message}`),
    ...loose.map(([, action]) => `${name}: ${action} is not pinned by a hash`),
  ];
});
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0); // the linter, a Go program, would keep the process alive
