import { type Dirent, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { globSync, isDynamicPattern } from 'tinyglobby';
import { isPictureName } from '../image/picture-name.js';
import type { LeftOut } from './left-out.js';

/** A picture that the command line names; `problem` where an argument names none. */
export interface Item {
  file: string;
  problem?: string;
}

export interface ExpandOptions {
  /** Looks into the folders of a folder as well. */
  recursive?: boolean;
  /** A folder whose files are no pictures of the call: where it writes to. */
  except?: string;
  /** Gets the files and folders of folders that are not taken. */
  leftOut?: LeftOut[];
}

/**
 * The pictures behind the arguments, in their order: a file is itself; a folder is its files named like
 * pictures, hidden ones left out; a
 * pattern such as `photos/*.jpg`, which the shell did not expand, is what it matches. What comes of one argument is sorted by
 * its characters' codes, the same on every machine. An argument that names nothing is kept, to fail as a picture.
 */
export function expandPictures(
  args: readonly string[],
  { recursive = false, except, leftOut = [] }: ExpandOptions = {},
): Item[] {
  return args.flatMap((argument): Item[] => {
    try {
      const notTaken: LeftOut[] = [];
      const found = filesOf(argument, recursive, notTaken);
      if (!found) return [{ file: argument }];
      const excepted =
        except === undefined || resolve(except) === resolve(argument) ? undefined : resolve(except) + sep;
      const isOutput = (file: string) => excepted !== undefined && (resolve(file) + sep).startsWith(excepted);
      const left = found.files.filter((file) => !isOutput(file));
      leftOut.push(...notTaken.filter(({ file }) => !isOutput(file)));
      if (left.length > 0) return left.sort((a, b) => (a < b ? -1 : 1)).map((file) => ({ file }));
      return [{ file: argument, problem: found.none }];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENAMETOOLONG') return [{ file: argument }]; // such as a data URL
      return [{ file: argument, problem: (error as Error).message }]; // a folder that cannot be read
    }
  });
}

/** The files that a folder or a pattern stands for, in any order, and what to say of none; undefined where it is neither. */
function filesOf(
  argument: string,
  recursive: boolean,
  leftOut: LeftOut[],
): { files: string[]; none: string } | undefined {
  const stat = statSync(argument, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    const none = `no file named like a picture in it${recursive ? '' : '; --recursive looks deeper'}`;
    return { files: listFolder(argument, recursive, leftOut), none };
  }
  if (stat || !isDynamicPattern(argument)) return undefined; // a file whose name looks like a pattern is that file
  const files = globSync(argument, { expandDirectories: false, absolute: isAbsolute(argument) });
  return { files, none: 'no file matches this pattern' };
}

/** A folder's pictures. Folders behind links are not entered, so that a circle of links has an end. */
function listFolder(folder: string, recursive: boolean, leftOut: LeftOut[]): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.')) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory() && recursive) return listFolder(path, recursive, leftOut);
    const reason = reasonAgainst(entry, path);
    if (reason === undefined) return [path];
    leftOut.push({ file: path, reason });
    return [];
  });
}

/** Why an entry of a folder is not taken for a picture; undefined where it is. */
function reasonAgainst(entry: Dirent, path: string): string | undefined {
  if (entry.isDirectory()) return 'a folder; --recursive looks into it';
  if (!isPictureName(entry.name)) return 'not named like a picture that is read';
  if (entry.isFile()) return undefined;
  const target = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : undefined;
  if (entry.isSymbolicLink()) return target === undefined || target.isFile() ? undefined : 'a link to no file';
  return 'no ordinary file'; // a pipe that nobody writes to would have to be waited for
}
