import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take longest on an idle machine. If one of them started late, the other processes would be idle at the end. Files that mostly
 * wait, for Redis or for processes, come between those that compute, so that the cores are busy.
 */
const LONGEST = [
  ...['kernels/conv2d/conv2d-variants', 'experiments/smoke-b', 'jobs/queue', 'cli/workers'],
  ...['examples', 'kernels/matmul/long-sums-products', 'jobs/workers', 'cli/killed', 'cli/remote-trials'],
  ...['documents', 'cli/process', 'experiments/smoke-e', 'web/access', 'web/recovery'],
  ...[
    'kernels/grid-parts',
    'kernels/matmul/exact-sums-products',
    'kernels/depthwise/depthwise-variants',
    'kernels/no-nan',
    'experiments/smoke-d',
  ],
  ...['web/address', 'web/panels', 'web/kernels-panel', 'web/train', 'training/submits'],
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
