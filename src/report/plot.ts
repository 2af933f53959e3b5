import { statSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { checkSurplus, checkText, formatValue } from '../base/check.ts';
import { createFolders } from '../base/create-folders.ts';
import { ArgumentError, FileError } from '../base/errors.ts';
import type { BlockInput } from './content.ts';
import { type Figure, figure as figureSchema } from './figures/schema.ts';
import { firstIssue } from './issue.ts';
import { toFileError } from './run-folder.ts';

/** Functions that create the content, by the ending of the file name. */
export type FileWriters = Readonly<Record<string, () => Promise<string | Uint8Array>>>;

/**
 * Writes a file in the format that its ending names, completely or not at all, and creates its folders.
 * @returns the path
 * @throws ArgumentError for another ending; FileError for a folder, and for errors of the system
 */
export async function saveAs(subject: string, path: string, writers: FileWriters): Promise<string> {
  checkText(`${subject}: the path`, path);
  const ending = extname(path).toLowerCase();
  const known = Object.keys(writers);
  if (!known.includes(ending)) {
    throw new ArgumentError(
      `${subject}: the format follows from the ending, one of ${known.join(', ')}, but the path is ${formatValue(path)}`,
    );
  }
  try {
    checkIsNotFolder(subject, path); // before anything is drawn
  } catch (cause) {
    throw toFileError(`${subject}: cannot write`, path, cause, 'Choose another path.');
  }
  const content = await writers[ending]!();
  try {
    createFolders(dirname(resolve(path)));
    writeFileAtomic(path, content);
  } catch (cause) {
    throw toFileError(`${subject}: cannot write`, path, cause, 'Choose another path.');
  }
  return path;
}

function checkIsNotFolder(subject: string, path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new FileError(`${subject}: ${path} is a folder; name a file in it`);
}

/**
 * A drawing, or several below each other, as `plotHistory` and similar functions return it: it can be saved to a file, and is a block of a
 * report.
 *
 *     await plotHistory(history).save('curves.png');
 *     await createReport({ title: 'Mine', sections: [section('Curves', plotHistory(history))] }).save('report.html');
 */
export class Plot {
  /** The content as plain data. */
  readonly figures: readonly Figure[];
  /** Text below it in a report. */
  readonly caption: string | undefined;

  /** @param subject name of the function that created it, for messages. @throws ArgumentError for an invalid figure */
  constructor(subject: string, figures: readonly Figure[], caption?: string) {
    checkText('Plot: what made it', subject);
    if (!Array.isArray(figures) || figures.length === 0) {
      throw new ArgumentError(
        `${subject}: takes a list of figures, at least one, but was given ${formatValue(figures)}`,
      );
    }
    this.figures = figures.map((figure) => {
      const { success, data, error } = figureSchema.safeParse(toPlainData(subject, figure));
      if (!success) throw new ArgumentError(`${subject}: this cannot be drawn: ${firstIssue(error)}`);
      return data;
    });
    if (caption !== undefined) checkText(`${subject}: caption`, caption);
    this.caption = caption;
  }

  /** The figures as blocks of a report. */
  get blocks(): BlockInput[] {
    const { figures, caption } = this;
    const last = figures.length - 1;
    return figures.map((figure, i) => ({ type: 'figure', figure, ...(i === last && caption ? { caption } : {}) }));
  }

  /** Returns the plot as SVG on a white background. The same figure gives the same text. @throws MissingPackageError */
  async svg(...surplus: never[]): Promise<string> {
    checkSurplus('Plot.svg', surplus);
    const { drawFigure } = await import('./draw.ts');
    const svgs: string[] = [];
    for (const figure of this.figures) svgs.push((await drawFigure(figure)).svg);
    return stackSvgs(svgs);
  }

  /** Returns the drawing as a PNG of twice its size. @throws MissingPackageError */
  async png(...surplus: never[]): Promise<Uint8Array> {
    checkSurplus('Plot.png', surplus);
    const { renderPng } = await import('./draw.ts');
    return renderPng(await this.svg());
  }

  /** Returns a page with the drawing, for light and dark, wide and narrow screens. @throws MissingPackageError */
  async html(...surplus: never[]): Promise<string> {
    checkSurplus('Plot.html', surplus);
    const { drawPage } = await import('./page.ts');
    const { figures } = this;
    const title = figures.map((figure) => figure.title).join('; ');
    return drawPage({ title, introduction: [], sections: [{ title: '', blocks: this.blocks }] });
  }

  /**
   * Writes the plot to a file whose ending names the format: .svg, .png or .html. An existing file is replaced atomically.
   * @returns the path
   * @throws ArgumentError for another ending; FileError; MissingPackageError
   */
  save(path: string, ...surplus: never[]): Promise<string> {
    checkSurplus('Plot.save', surplus);
    return saveAs('Plot.save', path, {
      '.svg': () => this.svg(),
      '.png': () => this.png(),
      '.html': () => this.html(),
    });
  }
}

/** Converts a value to plain JSON data: NaN and Infinity become null. */
function toPlainData(subject: string, value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null');
  } catch (cause) {
    throw new ArgumentError(`${subject}: this cannot be drawn: ${(cause as Error).message}`, { cause });
  }
}

/** Combines drawings below each other. */
function stackSvgs(svgs: readonly string[]): string {
  if (svgs.length === 1) return svgs[0]!;
  const sizes = svgs.map((svg) => {
    const [, width, height] = /<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg)!;
    return { width: Number(width), height: Number(height) };
  });
  const width = Math.max(...sizes.map((size) => size.width));
  const height = sizes.reduce((sum, size) => sum + size.height, 0);
  let y = 0;
  const parts = svgs.map((svg, i) => {
    const top = y;
    y += sizes[i]!.height;
    return svg.replace('<svg ', () => `<svg y="${top}" `).replace(/(\sid="|url\(['"]?#)/g, (found) => `${found}p${i}-`);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${parts.join('\n')}</svg>`;
}
