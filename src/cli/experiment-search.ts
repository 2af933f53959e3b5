import { join } from 'node:path';
import { AbortedError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { SearchEntry } from '../report/run-record.ts';
import type { SearchFitOptions } from '../search/fit-options.ts';
import type { SearchRecord, Trial } from '../search/record.ts';
import type { TrialDescription, TrialRunner } from '../search/trial.ts';
import type { Callback } from '../training/model.ts';
import type { SearchSpec } from './experiment.ts';

/** With what the trials of a search are trained. */
export interface TrialContext {
  batchSize: number;
  device: Device;
  signal: AbortSignal;
  progress: Callback;
}

/** Where and with what a search of a row runs. */
export interface SearchContext extends TrialContext {
  name: string;
  /** Its own, in which it is kept trial by trial. */
  folder: string;
  seed: number;
  /** What runs the trials; default this process. */
  runner?: TrialRunner | undefined;
  print(text: string): void;
  /** Called with what is there as it begins, after each trial, and as it ends. */
  onChange(status: SearchEntry['status'], record: SearchRecord): void;
}

/** The folder of a search: like a part of the run, it is named after what decides its result too. */
export const searchFolder = (runFolder: string, name: string, hash: string): string =>
  join(runFolder, 'searches', `${name}-${hash}`);

/**
 * Runs a search, or goes on with the one that its folder holds, and prints the space, each trial and the best of them.
 * @returns the record, and what the trials took that earlier sessions did
 * @throws AbortedError after Ctrl-C, and what the search throws
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
    print(`${trials.length} ${trials.length === 1 ? 'trial is' : 'trials are'} done already, going on in ${folder}`);
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

/** How each trial is trained. */
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

/** A trial that a worker is asked for. */
export interface RequestedTrial {
  description: TrialDescription;
  /** The weights that it begins with. */
  weights(): Promise<Uint8Array | null>;
  /** Takes those it ends with. */
  onWeights(weights: Uint8Array | null): void;
}

/** Trains one trial of a row's search. @throws what `runTrial` throws */
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
