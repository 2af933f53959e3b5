import type { EpochLogs } from './callbacks/logs.ts';
import { type Metrics, meanMetrics } from './objective.ts';

/** What an epoch gave. */
interface EpochResult {
  epoch: number;
  /** Loss and metrics of each replica over the training samples. */
  training: readonly Metrics[];
  /** The same over the validation data; undefined without any. */
  validation: readonly Metrics[] | undefined;
  /** Learning rate of each replica, or one for all. */
  rates: readonly number[];
  /** The rate to be logged for all replicas together. */
  learningRate: number;
  /** Samples of one replica. */
  samples: number;
  /** Duration of the training part. */
  seconds: number;
}

/** Logs of each replica and their means. A single replica has one object as both, so that what callbacks add to it is in both. */
export function epochLogs({ epoch, training, validation, rates, learningRate, samples, seconds }: EpochResult): {
  logs: EpochLogs;
  replicas: EpochLogs[];
} {
  const timing = { seconds, samplesPerSecond: (training.length * samples) / seconds };
  const replicas = training.map((metrics, r): EpochLogs => {
    const logs: EpochLogs = { epoch, ...metrics, learningRate: rates[r % rates.length]!, ...timing };
    for (const [name, value] of Object.entries(validation?.[r] ?? {})) logs[validationName(name)] = value;
    return logs;
  });
  const logs = replicas.length === 1 ? replicas[0]! : { ...meanMetrics(replicas), epoch, learningRate, ...timing };
  return { logs, replicas };
}

/** `loss` becomes `valLoss`. */
export const validationName = (name: string): string => `val${name[0]!.toUpperCase()}${name.slice(1)}`;
