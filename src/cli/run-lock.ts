import { join } from 'node:path';
import { lockHolder, tryLock } from '../../scripts/setup/lock.mjs';
import { UsageError } from '../base/errors.ts';
import { withFileErrors } from '../io/files.ts';

const lockPath = (folder: string) => join(folder, 'run.lock');

/** Returns why a run cannot be resumed: another process is running it. Null if no process is running it. @throws FileError */
export function whyLocked(folder: string): string | null {
  const holder = withFileErrors('read', lockPath(folder), () => lockHolder(lockPath(folder)));
  return holder === null ? null : stillRunningText(folder, holder);
}

const stillRunningText = (folder: string, holder: string) =>
  `${holder} is still running it. Wait until it ends, or stop it; if it has ended or is not tilegrad, delete ${lockPath(folder)}`;

/** Locks a run's folder until the result is disposed. @throws UsageError while another process runs it; FileError */
export function lockRun(folder: string): Disposable {
  const lock = withFileErrors('write', lockPath(folder), () => tryLock(lockPath(folder)));
  if (lock.holder !== null) throw new UsageError(`${folder}: ${stillRunningText(folder, lock.holder)}`);
  return { [Symbol.dispose]: lock.release };
}
