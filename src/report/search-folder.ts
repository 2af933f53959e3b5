import type { SearchRecord } from '../search/record.ts';
import { unique } from './arrays.ts';
import type { ReportContent } from './content.ts';
import { fitText, searchReport } from './search.ts';
import { retrainText } from './search-again.ts';

/** Names of adapters that compute on the CPU, as trials record them: see src/gpu/info.ts. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|basic render|warp/i;

/**
 * Creates the report of a search from its `search.json` alone, as `search()` of a program leaves it: without a command or a start time.
 * @param folder the folder of the search, with its weights
 * @param isRunning whether a trial has not ended
 */
export function reportOfSearch(record: SearchRecord, folder: string, isRunning: boolean): ReportContent {
  const adapters = unique(record.trials.flatMap(({ adapter }) => (adapter === '' ? [] : [adapter])));
  const again = retrainText(record, { folder, module: null });
  return searchReport(record, {
    ...{ status: isRunning ? 'running' : 'finished', reduced: [] },
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
