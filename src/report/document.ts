import { checkOptions, checkSurplus, checkText, formatValue, readList, tryRead } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Section } from './content.ts';
import { checkDocument, drawPage } from './page.ts';
import { saveAs } from './plot.ts';
import { textsOf } from './plots.ts';

/** Options of `createReport`. */
export interface ReportOptions {
  /** Title of the page. */
  title: string;
  /** Text below the title, as paragraphs. Text between backticks is code, also in all other texts. */
  introduction?: string | readonly string[];
  /** `section(title, ...parts)` creates them. */
  sections: readonly Section[];
}

/** The result of `createReport`: a page that is drawn when it is saved. */
export interface ReportDocument {
  /** The page: one file with its drawings, which needs no network. @throws MissingPackageError */
  html(): Promise<string>;
  /** Writes it to a .html file. @returns the path. @throws ArgumentError for another ending; FileError; MissingPackageError */
  save(path: string): Promise<string>;
}

/**
 * Creates a report for your own program, like those that `tilegrad run` writes for experiments.
 *
 *     const report = createReport({ title: 'Mine', sections: [section('Curves', plotHistory(history))] });
 *     await report.save('report.html');
 *
 * @throws ArgumentError for invalid options
 */
export function createReport(options: ReportOptions, ...surplus: never[]): ReportDocument {
  const names = { title: true, introduction: true, sections: true };
  const checked = checkOptions('createReport', options, names, surplus);
  const { title, introduction = [], sections } = tryRead('createReport', () => ({ ...checked }));
  checkText('createReport: title', title);
  const list = readList('createReport: sections', sections);
  if (!list || list.length === 0) {
    throw new ArgumentError(
      `createReport: sections must be a list of what section(title, ...parts) returns, but is ${formatValue(sections)}`,
    );
  }
  const content = checkDocument('createReport', {
    title,
    introduction: textsOf('createReport: introduction', introduction),
    sections: list,
  });
  const html = () => drawPage(content);
  return {
    html(...more: never[]) {
      checkSurplus('html of a report', more);
      return html();
    },
    save(path: string, ...more: never[]) {
      checkSurplus('save of a report', more);
      return saveAs('save of a report', path, { '.html': html });
    },
  };
}
