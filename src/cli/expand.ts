import { readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { globSync, isDynamicPattern } from 'tinyglobby';

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
}

const PICTURE = /\.(png|jpe?g|jpe|jfif)$/i;

/**
 * The pictures behind the arguments, in their order: a file is itself; a folder is its PNG and JPEG files, hidden ones left out; a
 * pattern such as `photos/*.jpg`, which the shell did not expand, is what it matches. What comes of one argument is sorted by
 * its characters' codes, the same on every machine. An argument that names nothing is kept, to fail as a picture.
 */
export function expandPictures(args: readonly string[], { recursive = false, except }: ExpandOptions = {}): Item[] {
  return args.flatMap((argument): Item[] => {
    try {
      const found = filesOf(argument, recursive);
      if (!found) return [{ file: argument }];
      const excepted =
        except === undefined || resolve(except) === resolve(argument) ? undefined : resolve(except) + sep;
      const left = found.files.filter((file) => excepted === undefined || !resolve(file).startsWith(excepted));
      if (left.length > 0) return left.sort((a, b) => (a < b ? -1 : 1)).map((file) => ({ file }));
      return [{ file: argument, problem: found.none }];
    } catch (error) {
      return [{ file: argument, problem: (error as Error).message }]; // a folder that cannot be read
    }
  });
}

/** The files that a folder or a pattern stands for, in any order, and what to say of none; undefined where it is neither. */
function filesOf(argument: string, recursive: boolean): { files: string[]; none: string } | undefined {
  const stat = statSync(argument, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    const none = `no PNG or JPEG file in it${recursive ? '' : '; --recursive looks deeper'}`;
    return { files: listFolder(argument, recursive), none };
  }
  if (stat || !isDynamicPattern(argument)) return undefined; // a file whose name looks like a pattern is that file
  const files = globSync(argument, { expandDirectories: false, absolute: isAbsolute(argument) });
  return { files, none: 'no file matches this pattern' };
}

/** A folder's pictures. Folders behind links are not entered, so that a circle of links has an end. */
function listFolder(folder: string, recursive: boolean): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.')) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return recursive ? listFolder(path, recursive) : [];
    return PICTURE.test(entry.name) ? [path] : [];
  });
}
