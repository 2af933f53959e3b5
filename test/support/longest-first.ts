import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest on an idle machine. If one of them started late, the other processes would be idle at the end. */
const LONGEST = [
  ...['kernels/conv2d/conv2d-variants', 'experiments/smoke-b', 'examples', 'kernels/matmul/long-sums-products'],
  ...['experiments/smoke-d', 'experiments/smoke-e', 'cli/process', 'documents', 'cli/workers', 'jobs/queue'],
  ...['cli/killed', 'jobs/workers', 'kernels/depthwise/depthwise-variants', 'kernels/grid-parts'],
  ...['web/panels', 'web/recovery', 'web/kernels-panel', 'web/access', 'web/train', 'web/address'],
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
