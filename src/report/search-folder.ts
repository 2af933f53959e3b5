import type { SearchRecord } from '../search/record.ts';
import { unique } from './arrays.ts';
import type { ReportContent } from './content.ts';
import { fitText, searchReport } from './search.ts';
import { againText } from './search-again.ts';

/** Adapters that compute on the CPU, by what a trial keeps of their name: see src/gpu/info.ts. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render|warp/i;

/**
 * The report of a search of which there is `search.json` alone, as `search()` of a program leaves it: no command, and nothing of when it began.
 * @param folder where it is kept, with its weights
 * @param isUnderWay whether a trial has not ended
 */
export function reportOfSearch(record: SearchRecord, folder: string, isUnderWay: boolean): ReportContent {
  const adapters = unique(record.trials.flatMap(({ adapter }) => (adapter === '' ? [] : [adapter])));
  const again = againText(record, { folder, module: null });
  return searchReport(record, {
    ...{ status: isUnderWay ? 'running' : 'finished', reduced: [] },
    ...(again === null ? {} : { again }),
    provenance: {
      seeds: [record.seed],
      adapter: {
        ...{ name: adapters.join('; '), vendor: '', driver: '' },
        isSoftware: adapters.some((name) => SOFTWARE.test(name)),
      },
      versions: {},
      startedAt: null,
      seconds: record.trials.reduce((sum, { seconds }) => sum + seconds.total, 0),
      command: 'search() of a program, not of the command line',
      settings: { Fit: fitText(record, ', with callbacks, if any'), Time: 'below, of all trials together' },
    },
  });
}
