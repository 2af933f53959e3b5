import { AbortedError, DeviceLostError, DisposedError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import { decodeWeights } from '../io/model-file.ts';
import type { EpochLogs, Model, TrainingData } from '../training/index.ts';
import { type BuildModel, callBuilder } from './build-model.ts';
import { makeCallbacks, type SearchFitOptions } from './fit-options.ts';
import { HyperParameters } from './hyperparameters.ts';
import type { Trial } from './record.ts';
import type { TrialDescription, TrialResult } from './trial.ts';
import { TrialBackup } from './trial-backup.ts';
import { TrialWatcher } from './trial-watcher.ts';
import { encodeFirstReplica } from './trial-weights.ts';

/** A trial and everything that is needed to run it. */
export interface TrialWork {
  description: TrialDescription;
  buildModel: BuildModel;
  data: TrainingData;
  fit: SearchFitOptions;
  device: Device;
  /** If `description.from` is a trial, its weights: see `TrialRunOptions`. */
  weights: Uint8Array | null;
  /** Path of the backup to resume from and to write; null for none. The caller deletes it after saving the result. */
  backup: string | null;
  /** When a backup is kept: see `BackupAndRestore`. Default `epoch`. */
  saveFreq?: 'epoch' | number;
  signal?: AbortSignal | undefined;
}

/**
 * Builds and trains the model of a trial: the same bits wherever it runs, on the same adapter with the same choice of kernels. Its
 * executions are replicas of one model with consecutive seeds. Callbacks get the means over them.
 * @returns the result, also of a failed trial: one that diverged or ran out of memory, or whose builder, callbacks or data threw
 * @throws AbortedError if `signal` ended it early; DeviceLostError, DisposedError of the device; ArgumentError for an objective that
 *   is not reported; errors of the backup: DataError, FileError, ArgumentError for one of another training
 */
export async function runTrial(work: TrialWork): Promise<TrialResult> {
  const { description, device, fit, signal } = work;
  const { number, seed, executions, epochs, initialEpoch } = description;
  const report = new TrialReport(description, device);
  const { watcher } = report;
  const backup = work.backup === null ? null : new TrialBackup(work.backup, work.saveFreq ?? 'epoch');
  let model: Model | null = null;
  try {
    model = callBuilder(work.buildModel, new HyperParameters({ values: description.values }));
    report.parameters = model.countParams();
    model.build(device, { seed, replicas: executions });
    if (work.weights) decodeWeights(model, work.weights, {}, `the weights of trial ${description.from}`);
    const userCallbacks = makeCallbacks(fit, { number, values: description.values });
    const callbacks = [...userCallbacks, watcher, ...(backup ? [backup] : [])];
    const { interrupted, diverged } = await model.fit(work.data, {
      ...fit,
      ...{ epochs, initialEpoch, seed, replicas: executions, callbacks, signal },
    });
    if (interrupted) throw new AbortedError(`trial ${number}: stopped on request`);
    const trained = model;
    return await report.end(diverged, () => trained);
  } catch (error) {
    if (error === watcher.searchError || (backup && error === backup.failure)) throw error;
    if (isAbort(error) && signal?.aborted) throw error;
    await throwIfLost(device, error);
    return report.fail(error);
  } finally {
    disposeModel(model);
  }
}

/** Collects the result of a trial, whether it is trained alone or with others. */
export class TrialReport {
  readonly watcher: TrialWatcher;
  /** Number of parameters of the model; null before it exists. */
  parameters: number | null = null;

  constructor(
    private readonly description: TrialDescription,
    private readonly device: Device,
  ) {
    this.watcher = new TrialWatcher(description);
  }

  /**
   * Returns the result after training.
   * @param diverged replicas of the trial that diverged
   * @param modelOf returns the trial's model; called after its best weights are restored
   */
  async end(diverged: readonly number[], modelOf: () => Model): Promise<TrialResult> {
    const { watcher } = this;
    const { executions, objective } = this.description;
    if (diverged.length > 0) return this.result('failed', null, divergedText(diverged, executions));
    if (watcher.best.includes(null)) {
      return this.result('failed', null, `${objective.name} was not a finite number in any epoch`);
    }
    watcher.restoreBest();
    const weights = await encodeFirstReplica(modelOf());
    return watcher.pruned ? this.result('pruned', weights, watcher.pruned) : this.result('completed', weights);
  }

  fail(error: unknown): TrialResult {
    return this.result('failed', null, reasonOf(error));
  }

  private result(status: Trial['status'], weights: Uint8Array | null, reason?: string): TrialResult {
    const { watcher, parameters } = this;
    const { number, values, executions } = this.description;
    const total = watcher.seconds;
    const setUp = watcher.setUp ?? total;
    const isScored = status !== 'failed';
    const sum = watcher.best.reduce<number>((all, best) => all + best!, 0);
    const trial: Trial = {
      ...{ number, values, status, score: isScored ? sum / executions : null },
      bestEpoch: isScored ? watcher.bestEpoch : null,
      histories: watcher.history.replicas.map((logs) => logs.map(toJson)),
      parameters,
      ...(reason === undefined ? {} : { reason }),
      seconds: { setUp, total },
      adapter: adapterName(this.device),
    };
    return { trial, weights };
  }
}

/** Returns a failed trial that was not trained, because its builder threw. */
export function failedTrial(description: Pick<TrialDescription, 'number' | 'values'>, error: unknown): Trial {
  const { number, values } = description;
  return {
    ...{ number, values, status: 'failed', score: null, bestEpoch: null, histories: [], parameters: null },
    ...{ reason: reasonOf(error), seconds: { setUp: 0, total: 0 }, adapter: '' },
  };
}

/**
 * Throws if the device is lost: the trial then did not fail, but can run again on another device. Also collects pending errors of the
 * device.
 */
export async function throwIfLost(device: Device, error: unknown): Promise<void> {
  if (error instanceof DeviceLostError) throw error;
  try {
    await device.sync();
  } catch (later) {
    if (later instanceof DeviceLostError || later instanceof DisposedError) throw later;
  }
}

export function disposeModel(model: Model | null): void {
  try {
    model?.dispose();
  } catch {
    // the device is lost, and with it the model's memory
  }
}

export const isAbort = (error: unknown) =>
  error instanceof AbortedError || (error instanceof Error && error.name === 'AbortError');

const reasonOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`;

function divergedText(replicas: readonly number[], executions: number): string {
  const share = executions === 1 ? '' : ` of ${replicas.length} of ${executions} executions`;
  return `the loss or weights${share} became NaN or infinite`;
}

/** Returns metrics with null for NaN and Infinity, which JSON does not have. */
function toJson(logs: EpochLogs): Trial['histories'][number][number] {
  const metrics = Object.entries(logs).flatMap(([name, value]) =>
    typeof value === 'number' ? [[name, Number.isFinite(value) ? value : null] as const] : [],
  );
  return { ...Object.fromEntries(metrics), epoch: logs.epoch };
}

const adapterName = ({ info: { name, driver } }: Device): string => (driver === '' ? name : `${name}, ${driver}`);
