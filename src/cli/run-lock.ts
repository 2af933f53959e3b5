import { join } from 'node:path';
import { lockHolder, tryLock } from '../../scripts/setup/lock.mjs';
import { UsageError } from '../base/errors.ts';
import { onFile } from '../io/files.ts';

const lockPath = (folder: string) => join(folder, 'run.lock');

/** Why a run cannot be gone on with: another process is at it. Null if none is. @throws FileError */
export function whyLocked(folder: string): string | null {
  const holder = onFile('read', lockPath(folder), () => lockHolder(lockPath(folder)));
  return holder === null ? null : stillRunningText(folder, holder);
}

const stillRunningText = (folder: string, holder: string) =>
  `${holder} is at that run still. Wait for it, or stop it first; if it has ended or is no tilegrad, delete ${lockPath(folder)}`;

/** Keeps other processes from a run's folder until it is disposed. @throws UsageError while another is at it; FileError */
export function lockRun(folder: string): Disposable {
  const lock = onFile('write', lockPath(folder), () => tryLock(lockPath(folder)));
  if (lock.holder !== null) throw new UsageError(`${folder}: ${stillRunningText(folder, lock.holder)}`);
  return { [Symbol.dispose]: lock.release };
}
