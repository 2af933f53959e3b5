import { isAbsolute, relative, sep } from 'node:path';
import type { Device } from '../gpu/device.ts';
import type { ReportContent } from '../report/content.ts';
import { duration } from '../report/format.ts';
import { writeReport } from '../report/report-files.ts';
import { fitText, searchReport } from '../report/search.ts';
import { retrainText } from '../report/search-again.ts';
import type { SearchRecord } from '../search/record.ts';
import { versions } from './versions.ts';

/** What the report of a search contains in addition to its record. */
export interface SearchReportInfo {
  status: ReportContent['status'];
  /** The module of the search, as the command line named it. */
  file: string;
  device: Pick<Device, 'info'>;
  startedAt: Date;
}

/**
 * Writes the report of `tilegrad search` into the search's folder: the page, its figures, and `report.json`, from which
 * `tilegrad report` draws it again.
 * @throws FileError
 */
export function writeSearchReport(folder: string, record: SearchRecord, info: SearchReportInfo): Promise<string[]> {
  const { status, file, device, startedAt } = info;
  const { name, vendor, driver, isSoftware } = device.info;
  const retraining = retrainText(record, { folder, module: moduleOf(file) });
  const trials = record.trials.reduce((sum, { seconds }) => sum + seconds.total, 0);
  return writeReport(
    folder,
    searchReport(record, {
      ...{ status, reduced: [] },
      ...(retraining === null ? {} : { again: retraining }),
      provenance: {
        seeds: [record.seed],
        adapter: { name, vendor, driver, isSoftware },
        versions: { ...versions() },
        startedAt: startedAt.toISOString(),
        seconds: (Date.now() - startedAt.getTime()) / 1000,
        command: `npx tilegrad search ${file} --seed ${record.seed}`,
        settings: {
          Fit: fitText(record, `, with the callbacks of ${file}, if any`),
          'Time of the trials': `${duration(trials)}, the sum of all, also of earlier commands; the time below is that of this command`,
        },
      },
    }),
  );
}

/** Returns the specifier with which a module in the current folder imports the search's. */
function moduleOf(file: string): string {
  const path = relative('.', file).split(sep).join('/');
  return isAbsolute(path) || path.startsWith('../') ? path : `./${path}`;
}
