import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { DeviceLostError, JobError, UsageError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import { CannotRunJob, defineHandler, type Handler, WorkerBroken } from '../jobs/handler.ts';
import type { JobQueue } from '../jobs/queue.ts';
import type { Capability } from '../jobs/records.ts';
import { describeData } from '../search/describe-data.ts';
import type { SearchFitOptions } from '../search/fit-options.ts';
import { trial } from '../search/record.ts';
import { failedTrial, runTrial } from '../search/run-trial.ts';
import {
  type TrialDescription,
  type TrialResult,
  type TrialRunner,
  type TrialRunOptions,
  trialDescription,
} from '../search/trial.ts';
import type { TrainingData } from '../training/index.ts';
import { MAX_QUEUED_JOBS, versionCapability, WEIGHTS_ATTACHMENT } from './experiment-job.ts';
import { hashOf } from './fingerprint.ts';
import type { Io, OutputStream } from './io.ts';
import { Progress } from './progress.ts';
import { loadSearchModule, prepareSearch, type SearchModule } from './search-module.ts';

// Trials of a search as jobs. A job names a search, which the worker must have with the same hash of its file, and describes a trial.

/** One-line descriptions of the data of a trial. */
const dataText = z.strictObject({ data: z.string(), validationData: z.string().nullable() });
type DataText = z.infer<typeof dataText>;

const trialJob = z.strictObject({ search: z.string(), description: trialDescription, on: dataText });
const TRIAL_JOB_KIND = { name: 'trial', result: trial };

/** A search whose module this process has loaded. */
export interface RegisteredSearch {
  module: SearchModule;
  capability: Capability;
}

/** The name of the need for a search. */
const needName = (name: string) => `search ${name.slice(0, 80)}`;

/** Loads the module of a search, and identifies it by the hash of its file. @throws UsageError */
export async function registerSearch(file: string): Promise<RegisteredSearch> {
  const module = await loadSearchModule(file);
  const id = createHash('sha256').update(readFileSync(file)).digest('hex');
  return { module, capability: { id, text: `${basename(file)} with checksum ${id.slice(0, 12)}` } };
}

async function describeTrialData(data: TrainingData, { validationData }: SearchFitOptions): Promise<DataText> {
  return {
    data: await describeData(data),
    validationData: validationData === undefined ? null : await describeData(validationData),
  };
}

/** Hands trials to the workers of a queue. */
export class RemoteTrials implements TrialRunner {
  readonly concurrency = MAX_QUEUED_JOBS;

  private constructor(
    private readonly queue: JobQueue,
    private readonly search: RegisteredSearch,
    private readonly on: DataText,
  ) {}

  static async create(
    queue: JobQueue,
    search: RegisteredSearch,
    { data, fit }: { data: TrainingData; fit: SearchFitOptions },
  ): Promise<RemoteTrials> {
    return new RemoteTrials(queue, search, await describeTrialData(data, fit));
  }

  async run(description: TrialDescription, { weights, signal }: TrialRunOptions): Promise<TrialResult> {
    const { queue, on } = this;
    const { module, capability } = this.search;
    const files: Record<string, Uint8Array> = weights ? { [WEIGHTS_ATTACHMENT]: weights } : {};
    const start = weights ? createHash('sha256').update(weights).digest('hex') : null;
    const key = `${description.number}-${hashOf([capability.id, description, on, start])}`;
    const needs = {
      tilegrad: versionCapability('tilegrad')!,
      webgpu: versionCapability('webgpu')!,
      [needName(module.name)]: capability,
    };
    try {
      const job = { search: module.name, description, on };
      const finished = await queue.run(TRIAL_JOB_KIND, key, job, { needs, files, signal });
      return {
        trial: { ...finished.value, worker: finished.worker.name },
        weights: finished.fileNames.includes(WEIGHTS_ATTACHMENT) ? await finished.file(WEIGHTS_ATTACHMENT) : null,
      };
    } catch (error) {
      // For example because every worker runs out of memory: the search continues without it.
      if (error instanceof JobError) return { trial: failedTrial(description, error), weights: null };
      throw error;
    }
  }
}

/** What a worker needs to run trials. */
export interface TrialTools {
  /** The searches by name. */
  searches: ReadonlyMap<string, RegisteredSearch>;
  device: Device;
  io: Io;
}

/** Loads the modules given as `--search`. @throws UsageError if two have the same name */
export async function registerSearches(files: readonly string[]): Promise<Map<string, RegisteredSearch>> {
  const searches = new Map<string, RegisteredSearch>();
  for (const file of files) {
    const search = await registerSearch(file);
    const { name } = search.module;
    if (searches.has(name)) {
      throw new UsageError(
        `--search ${file}: there is a search ${name} already; give one of the two another name in its options`,
      );
    }
    searches.set(name, search);
  }
  return searches;
}

/** Returns what a worker has under the name of a need for a search; null for other needs. */
export function searchCapability(
  need: string,
  searches: ReadonlyMap<string, RegisteredSearch>,
): Capability | string | null {
  if (!need.startsWith('search ')) return null;
  const found = [...searches].find(([name]) => needName(name) === need);
  return found?.[1].capability ?? 'it was started without its module; add --search FILE.mjs';
}

/** Handles trial jobs of the searches that this worker has loaded. */
export function trialHandler({ searches, device, io }: TrialTools): Handler {
  const prepared = new Map<string, Promise<{ data: TrainingData; fit: SearchFitOptions; on: DataText }>>();
  const prepare = async (module: SearchModule) => {
    const { data, fit } = await prepareSearch(module, device);
    return { data, fit, on: await describeTrialData(data, fit) };
  };
  return defineHandler({
    ...{ kind: TRIAL_JOB_KIND.name, payload: trialJob, result: trial },
    async run({ search, description, on }, { fileNames, file, signal, print }) {
      const found = searches.get(search);
      if (!found) throw new CannotRunJob(`it has no search ${search}`);
      const ready = prepared.get(search) ?? prepare(found.module);
      prepared.set(search, ready);
      const { data, fit, on: here } = await ready;
      for (const field of ['data', 'validationData'] as const) {
        if (here[field] !== on[field])
          throw new CannotRunJob(`${field} of ${search} is ${on[field]} there, and here ${here[field]}`);
      }
      const lines: OutputStream = {
        write: (text: string) => {
          io.stdout.write(text);
          for (const line of text.trim().split('\n')) print(line);
        },
      };
      lines.write(`Trial ${description.number} of ${search}\n`);
      const progress = new Progress(lines, lines);
      try {
        const result = await runTrial({
          ...{ buildModel: found.module.buildModel, data, device, description, signal, backup: null },
          fit: { ...fit, callbacks: (trial) => [...(fit.callbacks?.(trial) ?? []), progress] },
          weights: fileNames.includes(WEIGHTS_ATTACHMENT) ? await file(WEIGHTS_ATTACHMENT) : null,
        });
        const files: Record<string, Uint8Array> = result.weights ? { [WEIGHTS_ATTACHMENT]: result.weights } : {};
        return { value: result.trial, files };
      } catch (error) {
        throw error instanceof DeviceLostError ? new WorkerBroken(error) : error;
      }
    },
  });
}
