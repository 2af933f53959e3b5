import { join } from 'node:path';
import { AbortedError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { SearchEntry } from '../report/run-record.ts';
import type { SearchFitOptions } from '../search/fit-options.ts';
import type { SearchRecord, Trial } from '../search/record.ts';
import type { TrialDescription, TrialRunner } from '../search/trial.ts';
import type { Callback } from '../training/model.ts';
import type { SearchSpec } from './experiment.ts';

/** What the trials of a search are trained with. */
export interface TrialContext {
  batchSize: number;
  device: Device;
  signal: AbortSignal;
  progress: Callback;
}

/** What a search of an experiment gets from its run. */
export interface SearchContext extends TrialContext {
  name: string;
  /** The search's own folder, which holds each trial. */
  folder: string;
  seed: number;
  /** Runs the trials; default: this process. */
  runner?: TrialRunner | undefined;
  print(text: string): void;
  /** Called with the record at the start, after each trial, and at the end. */
  onChange(status: SearchEntry['status'], record: SearchRecord): void;
}

/** Returns the folder of a search, which is named after the hash of everything that decides its result. */
export const searchFolder = (runFolder: string, name: string, hash: string): string =>
  join(runFolder, 'searches', `${name}-${hash}`);

/**
 * Runs a search, or continues the one in its folder, and prints the space, each trial and the best trials.
 * @returns the record, and the seconds of the trials of earlier sessions
 * @throws AbortedError after Ctrl-C, and errors of the search
 */
export async function runSearch(
  spec: SearchSpec,
  context: SearchContext,
): Promise<{ record: SearchRecord; secondsBefore: number }> {
  const { name, folder, seed, device, runner, signal, print, onChange } = context;
  const search = spec.createSearch({
    ...{ buildModel: spec.buildModel, objective: spec.objective, directory: folder, name, seed, device },
    ...(runner ? { runner } : {}),
    onTrialBegin: ({ number, epochs, initialEpoch }) =>
      print(`\nTrial ${number}, epochs ${initialEpoch + 1} to ${epochs}`),
    onTrialEnd: ({ number }, record) => {
      print(search.trialSummary(number));
      onChange('running', record);
    },
  });
  const { record: recordBefore } = search;
  const { trials } = recordBefore;
  onChange('running', recordBefore);
  if (trials.length > 0)
    print(`${trials.length} ${trials.length === 1 ? 'trial is' : 'trials are'} done already; continuing in ${folder}`);
  print(`\n${search.searchSpaceSummary()}`);
  try {
    const record = await search.search(spec.data, { ...fitOptions(spec, context), signal });
    onChange('finished', record);
    print(`\n${search.resultsSummary()}`);
    return { record, secondsBefore: trials.reduce((sum, { seconds }) => sum + seconds.total, 0) };
  } catch (error) {
    onChange(error instanceof AbortedError ? 'interrupted' : 'failed', search.record);
    throw error;
  }
}

/** Returns the options of `fit` for each trial. */
function fitOptions(spec: SearchSpec, { batchSize, progress }: TrialContext): SearchFitOptions {
  const { validationData, validationSplit, shuffle, callbacks } = spec;
  return {
    batchSize,
    ...(validationData === undefined ? {} : { validationData }),
    ...(validationSplit === undefined ? {} : { validationSplit }),
    ...(shuffle === undefined ? {} : { shuffle }),
    callbacks: () => [progress, ...(callbacks?.() ?? [])],
  };
}

/** The trial that a worker is to run. */
export interface RequestedTrial {
  description: TrialDescription;
  /** Returns the weights to start from; null for new ones. */
  weights(): Promise<Uint8Array | null>;
  /** Called with the weights at the end. */
  onWeights(weights: Uint8Array | null): void;
}

/** Trains one trial of an experiment's search. @throws errors of `runTrial` */
export async function runRequestedTrial(
  spec: SearchSpec,
  context: TrialContext,
  requested: RequestedTrial,
): Promise<Trial> {
  const { runTrial } = await import('../search/run-trial.ts');
  const { device, signal } = context;
  const { trial, weights } = await runTrial({
    ...{ buildModel: spec.buildModel, data: spec.data, fit: fitOptions(spec, context), device, signal, backup: null },
    ...{ description: requested.description, weights: await requested.weights() },
  });
  requested.onWeights(weights);
  return trial;
}
