import { ForksPoolWorker, type PoolOptions, type WorkerRequest } from 'vitest/node';

/** Test files that a process runs, one after another. On lavapipe a device that was opened and disposed leaves it some 4 MB larger. */
const MAX_FILES = 20;

/**
 * A pool for vitest with `isolate: false`: processes that run several test files each, because starting a process and loading the
 * sources takes longer than the tests of most files. See shared-process.ts for what keeps the files apart.
 */
export const sharedForks = {
  name: 'shared-forks',
  createPoolWorker: (options: PoolOptions) => new SharedFork(options),
};

class SharedFork extends ForksPoolWorker {
  override readonly name = sharedForks.name;
  private files = 0;

  override send(message: WorkerRequest): void {
    if (message.type === 'run') this.files += message.context.files.length;
    super.send(message);
  }

  canReuse(): boolean {
    return this.files < MAX_FILES;
  }
}
