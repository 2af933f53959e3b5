import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Checkpoint } from '../applications/checkpoints.ts';
import { readBytes } from '../io/files.ts';
import type { RunRecord } from '../report/run-record.ts';
import { FileBars } from './data.ts';
import type { Engine } from './engine.ts';
import type { Experiment } from './experiment.ts';
import { listenForInterrupt } from './interrupt.ts';
import type { Io } from './io.ts';

/** A file of published weights, as `run.json` names it. */
export type WeightFile = NonNullable<RunRecord['weights']>[number];

/**
 * Finds the files of the published weights that experiments start with, and downloads missing ones with a progress bar for each.
 * @throws DataError, FileError that says what to fetch and where to put it; AbortedError after Ctrl-C
 */
export async function findWeights(
  experiments: readonly Experiment[],
  engine: Pick<Engine, 'findCheckpoint'>,
  io: Io,
): Promise<ReadonlyMap<Checkpoint, WeightFile[]>> {
  const found = new Map<Checkpoint, WeightFile[]>();
  const bars = new FileBars(io);
  const interrupt = listenForInterrupt(io, () => bars.stop());
  try {
    for (const { checkpoint } of experiments) {
      if (!checkpoint || found.has(checkpoint)) continue;
      const paths = await engine.findCheckpoint(checkpoint, {
        signal: interrupt.signal,
        onProgress: (progress) => bars.show(progress),
      });
      found.set(checkpoint, paths.map(weightFile));
    }
    return found;
  } finally {
    bars.stop();
    interrupt.dispose();
  }
}

function weightFile(path: string): WeightFile {
  return { name: basename(path), path, sha256: createHash('sha256').update(readBytes(path)).digest('hex') };
}
