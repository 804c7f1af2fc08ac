import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

/**
 * A module and all that is loaded with it at once: what it imports statically, and so on; dynamic imports and other packages are
 * left out.
 *
 * @param {string} file @returns {Set<string>} paths
 */
export function staticImports(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  for (const statement of source.statements) {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
    const specifier = /** @type {ts.StringLiteral | undefined} */ (statement.moduleSpecifier)?.text;
    if (specifier?.startsWith('.')) staticImports(join(dirname(file), specifier), seen);
  }
  return seen;
}
