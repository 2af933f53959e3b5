import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest on an idle machine. If one of them started late, the other processes would be idle at the end. */
const LONGEST = [
  ...[
    'experiments/smoke',
    'web/recovery',
    'jobs/workers',
    'cli/workers',
    'jobs/queue',
    'examples',
    'cli/killed',
    'web/train',
  ],
  ...[
    'web/panels',
    'cli/process',
    'web/access',
    'documents',
    'web/kernels-panel',
    'web/address',
    'kernels/matmul/long-sums-products',
  ],
].map((name) => `test/${name}.test.ts`);
const missing = LONGEST.filter((file) => !existsSync(new URL(`../../${file}`, import.meta.url)));
if (missing.length > 0) throw new Error(`test/support/longest-first.ts names files that do not exist: ${missing}`);

/** As vitest orders them: by project, then by the last run's durations, which a new clone has not; but the longest first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification) => {
      const rank = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      return rank < 0 ? LONGEST.length : rank;
    };
    // The sort is stable.
    return (await super.sort(files)).sort((a, b) => rankOf(a) - rankOf(b));
  }
}
