import { type Dirent, realpathSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { formatValue, listNames, nearName } from '../base/check.ts';
import { DataError, FileError } from '../base/errors.ts';

/** Contents of a folder of pictures, in the order of the images. */
export interface PictureFiles {
  /** Class names; empty without labels. */
  classes: string[];
  files: { path: string; label: number }[];
  /** Files that are skipped because their names do not end as those of pictures. */
  skipped: string[];
}

/** File names of the supported formats. */
const PICTURE = /\.(png|jpe?g|webp|gif)$/i;
/** File names of other picture formats. They are errors: skipping them silently would train on part of the data. */
const OTHER_PICTURE = /\.(bmp|tiff?|avif|hei[cf]|jp2|jxl|svg|ico|psd|raw|cr2|nef|dng)$/i;
/** Whether a file is hidden or left behind by operating systems and archives. */
const isHidden = (name: string) => name.startsWith('.') || name === '__MACOSX' || name === 'Thumbs.db';

/** Normal form of a name: systems store accents composed or decomposed. */
const normal = (name: string) => name.normalize('NFC');
/** Compares by code units, so the order is the same on every system and in every language. */
const byName = (a: string, b: string) =>
  normal(a) < normal(b) ? -1 : normal(a) > normal(b) ? 1 : a < b ? -1 : Number(a > b);

/** Entries of a folder, sorted by name, without hidden ones. @throws FileError; DataError for links unless `followLinks` */
async function entriesOf(
  subject: string,
  folder: string,
  followLinks: boolean,
): Promise<{ name: string; isFolder: boolean }[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'it is a file' : message;
    throw new FileError(
      `${subject}: cannot read ${folder}: ${why}; give the path of a folder with a folder for each class`,
      { cause },
    );
  }
  const seen = entries.filter(({ name }) => !isHidden(name)).sort((a, b) => byName(a.name, b.name));
  return seen.map((entry) => {
    if (!entry.isSymbolicLink()) return { name: entry.name, isFolder: entry.isDirectory() };
    const path = join(folder, entry.name);
    const target = statSync(path, { throwIfNoEntry: false });
    const isFolder = target?.isDirectory() ?? false;
    if (!followLinks && (isFolder || PICTURE.test(entry.name))) {
      throw new DataError(
        `${subject}: ${path} is a symbolic link, which may lead anywhere; give followLinks: true to follow links, or remove it`,
      );
    }
    return { name: entry.name, isFolder };
  });
}

/** Walks folders, and collects pictures and skipped files. */
class Walk {
  readonly skipped: string[] = [];
  constructor(
    readonly subject: string,
    readonly followLinks: boolean,
  ) {}

  /** Real path of a folder: differs from the path only if links are followed. */
  realPath(folder: string): string {
    return this.followLinks ? realpathSync(folder) : folder;
  }

  /** Pictures of a folder and, if `isDeep`, of its subfolders. @param above real paths of its parent folders, to detect link circles */
  async pictures(folder: string, isDeep = true, above: readonly string[] = []): Promise<string[]> {
    const entries = await entriesOf(this.subject, folder, this.followLinks);
    const real = this.realPath(folder);
    if (above.includes(real)) {
      throw new DataError(`${this.subject}: ${folder} is a link to one of its parent folders; remove it`);
    }
    const found: string[] = [];
    for (const { name, isFolder } of entries) {
      const path = join(folder, name);
      if (isFolder) {
        if (isDeep) found.push(...(await this.pictures(path, true, [...above, real])));
      } else if (PICTURE.test(name)) {
        found.push(path);
      } else if (OTHER_PICTURE.test(name)) {
        throw new DataError(
          `${this.subject}: ${path} has an unsupported format; convert it to PNG, JPEG, WebP or GIF, or remove it`,
        );
      } else {
        this.skipped.push(path);
      }
    }
    return found;
  }
}

export interface ListOptions {
  subject: string;
  labeled: boolean;
  classNames: readonly string[] | null;
  followLinks: boolean;
}

/**
 * The pictures below a folder, sorted by name: those of each class folder and its subfolders, or all if there are no labels.
 * @throws FileError for a folder that cannot be read; DataError for a folder without pictures, class folders that are empty or missing,
 *   and class names that differ only by case
 */
export async function listPictures(
  dir: string,
  { subject, labeled, classNames, followLinks }: ListOptions,
): Promise<PictureFiles> {
  const walk = new Walk(subject, followLinks);
  const noPictures = (folder: string, next: string) => {
    const { length } = walk.skipped;
    const others =
      length === 0 ? '' : ` among ${length} files (${listNames(walk.skipped.map((path) => relative(dir, path)))})`;
    return new DataError(`${subject}: ${folder} has no pictures${others}; ${next}`);
  };
  if (!labeled) {
    const files = await walk.pictures(dir);
    if (files.length === 0) throw noPictures(dir, 'PNG, JPEG, WebP and GIF are read');
    return { classes: [], files: files.map((path) => ({ path, label: 0 })), skipped: walk.skipped };
  }
  const folders = (await entriesOf(subject, dir, followLinks))
    .filter(({ isFolder }) => isFolder)
    .map(({ name }) => name);
  const [stray] = await walk.pictures(dir, false);
  if (stray) {
    throw new DataError(
      `${subject}: ${stray} is not in the folder of a class; put each picture into the folder of its class, or give labels: null`,
    );
  }
  if (folders.length === 0) {
    throw noPictures(dir, 'it must have a folder for each class, with PNG, JPEG, WebP or GIF files in it');
  }
  const wanted = classNames ? classNames.map((name) => folderOf(subject, dir, name, folders)) : folders;
  checkCase(subject, dir, wanted);
  const above = [walk.realPath(dir)];
  const byClass: string[][] = [];
  for (const folder of wanted) byClass.push(await walk.pictures(join(dir, folder), true, above));
  const empty = byClass.findIndex((files) => files.length === 0);
  if (byClass.every((files) => files.length === 0)) {
    throw noPictures(dir, 'put PNG, JPEG, WebP or GIF files into the folders of the classes');
  }
  if (empty >= 0) {
    throw noPictures(
      join(dir, wanted[empty]!),
      'add pictures, remove the folder, or name the classes to load in classNames',
    );
  }
  if (!classNames) checkNoSplit(subject, dir, wanted, byClass);
  return {
    classes: wanted.map(normal),
    files: byClass.flatMap((files, label) => files.map((path) => ({ path, label }))),
    skipped: walk.skipped,
  };
}

/** The folder of a class, as spelled on the disk. @throws DataError if it does not exist */
function folderOf(subject: string, dir: string, name: string, folders: readonly string[]): string {
  const found = folders.find((folder) => normal(folder) === normal(name));
  if (found !== undefined) return found;
  const near = nearName(name, folders);
  const meant = near === undefined ? `there are ${listNames(folders)}` : `did you mean ${formatValue(near)}?`;
  throw new DataError(`${subject}: ${dir} has no folder ${formatValue(name)}, which classNames lists; ${meant}`);
}

/** @throws DataError for names that are the same folder on some systems */
function checkCase(subject: string, dir: string, folders: readonly string[]): void {
  const first = new Map<string, string>();
  for (const folder of folders) {
    const key = normal(folder).toLowerCase();
    const other = first.get(key);
    if (other !== undefined) {
      throw new DataError(
        `${subject}: the classes ${formatValue(other)} and ${formatValue(folder)} of ${dir} differ only by case, so they are the same folder on some systems; ` +
          'merge them or rename one',
      );
    }
    first.set(key, folder);
  }
}

const SPLITS: readonly string[] = ['train', 'training', 'test', 'testing', 'val', 'valid', 'validation'];

/** @throws DataError if the folders look like parts of a data set (train, test) that contain the folders of the classes */
function checkNoSplit(subject: string, dir: string, folders: readonly string[], byClass: readonly string[][]): void {
  const isPart = (folder: string, i: number) =>
    SPLITS.includes(folder.toLowerCase()) &&
    byClass[i]!.every((path) => relative(join(dir, folder), path).match(/[/\\]/));
  if (folders.length === 0 || !folders.every(isPart)) return;
  throw new DataError(
    `${subject}: the folders of ${dir}, ${listNames(folders)}, look like parts of a data set rather than classes; ` +
      `load each separately, as in ${subject}(${formatValue(join(dir, folders[0]!))}), or give classNames if they are classes`,
  );
}
