import type { Device } from '../gpu/device.ts';
import type { ReportContent } from '../report/content.ts';
import { writeReport } from '../report/report-files.ts';
import { searchReport } from '../report/search.ts';
import { bestTrial, isOwn } from '../report/search-trials.ts';
import type { SearchRecord } from '../search/record.ts';
import { versions } from './versions.ts';

/** What is said of a search beside its record. */
export interface SearchReportAbout {
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
export function writeSearchReport(folder: string, record: SearchRecord, about: SearchReportAbout): Promise<string[]> {
  const { status, file, device, startedAt } = about;
  const { name, vendor, driver, isSoftware } = device.info;
  const again = againText(record, file);
  return writeReport(
    folder,
    searchReport(record, {
      ...{ status, reduced: [] },
      ...(again === null ? {} : { again }),
      provenance: {
        seeds: [record.seed],
        adapter: { name, vendor, driver, isSoftware },
        versions: { ...versions() },
        startedAt: startedAt.toISOString(),
        seconds: record.trials.reduce((sum, { seconds }) => sum + seconds.total, 0),
        command: `npx tilegrad search ${file} --seed ${record.seed}`,
        settings: {
          Fit:
            Object.entries(record.fit)
              .map(([option, value]) => `${option} ${value}`)
              .join(', ') || 'defaults',
        },
      },
    }),
  );
}

/** Code that trains the best trial's network again; null where none has a score. */
function againText(record: SearchRecord, file: string): string | null {
  const best = bestTrial(record);
  if (!best) return null;
  const own = Object.entries(best.values).filter(([name]) => isOwn(name));
  const seed = record.seed + best.number * record.executionsPerTrial;
  const epochs = best.histories[0]?.at(-1)?.epoch ?? 1;
  return [
    `// Trial ${best.number}; its best weights are in weights/${String(best.number).padStart(4, '0')}.safetensors`,
    "import { HyperParameters, openDevice } from 'tilegrad/node';",
    `import { buildModel } from ${JSON.stringify(file)};`,
    '',
    `const values = ${JSON.stringify(Object.fromEntries(own), null, 2)};`,
    'const model = buildModel(new HyperParameters({ values }));',
    `model.build(await openDevice(), { seed: ${seed} });`,
    `await model.fit(data, { ...fit, epochs: ${epochs}, seed: ${seed} });`,
  ].join('\n');
}
