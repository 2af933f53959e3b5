import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AbortedError, ArgumentError, DataError } from '../base/errors.ts';
import type { ImageLoader } from '../data/loader.ts';
import type { Dataset, DatasetName, ImageSet } from '../data/types.ts';
import type { Device } from '../gpu/device.ts';
import { seedsText } from '../report/format.ts';
import { modelLayers } from '../report/model-layers.ts';
import type { ExperimentRecord, RunRecord, SearchEntry, TrainingEntry } from '../report/run-record.ts';
import { divergenceText, type Training, training } from '../report/training.ts';
import { type SearchRecord, searchRecord } from '../search/record.ts';
import type { TrialRunner } from '../search/trial.ts';
import type { Callback } from '../training/model.ts';
import type { Engine, EngineDevice, EngineLoader } from './engine.ts';
import type { ExperimentContext, Scale, SearchSpec, Settings, TrainSpec } from './experiment.ts';
import { type RequestedTrial, runRequestedTrial, runSearch, searchFolder } from './experiment-search.ts';
import { fingerprintOf, hashOf, networkKey } from './fingerprint.ts';
import { toPlainJson } from './plain-json.ts';
import { ResultCache } from './result-cache.ts';
import { secondsSince } from './seconds-since.ts';
import { samplesOf, trainModels } from './training.ts';

/** Computes results of experiments elsewhere: a queue on a coordinator, a single requested result on a worker. */
export interface ResultExecutor {
  /**
   * Returns the result that a request names.
   * @param compute computes it in this process
   */
  execute(
    request: { row: string; name: string; hash: string },
    compute: () => Promise<unknown>,
  ): Promise<{ value: unknown; seconds: number }>;
  /** Called with each result that was read from the run's folder or computed here. */
  onCached(row: string, name: string, hash: string, value: unknown): void;
  /** Whether a result was computed elsewhere in this session. */
  isFetched(name: string): boolean;
  /** On a coordinator: returns a runner for the trials of a search. The search itself runs here. */
  createTrialRunner?(request: { row: string; name: string; hash: string }): TrialRunner;
  /** On a worker: the only trial of a search to run. */
  requestedTrial?: RequestedTrial | undefined;
}

/** What all experiments of a run have in common. */
export interface RunContext {
  engine: Engine;
  device: EngineDevice;
  folder: string;
  datasets: ReadonlyMap<DatasetName, Dataset>;
  record: RunRecord;
  signal: AbortSignal;
  progress: Callback;
  /** Prints a line for people. */
  print(text: string): void;
  /** Updates `run.json`. */
  save(): void;
  /** Only with `--workers`, and on a worker. */
  executor?: ResultExecutor;
  /** On a worker: its name and adapter, for the record. */
  worker?: string;
}

/** What each experiment of a run has of its own. */
export interface ExperimentSetup {
  experimentRecord: ExperimentRecord;
  scale: Scale;
  settings: Settings;
  seed: number;
  datasets: readonly DatasetName[];
  weightFiles: readonly string[];
  /** Variations that `--short` cuts, their settings, and the differences in words. */
  short?: { names: readonly string[]; settings: Settings; notes: readonly string[] };
}

/** Creates the contexts of a run's experiments, which share loaders and saved results. */
export class ExperimentContexts {
  private readonly cache: ResultCache;
  private readonly loaders = new Map<string, EngineLoader>();
  private readonly identities = new WeakMap<object, string>();
  /** Model summaries that were printed: several experiments train the same model. */
  private readonly printedSummaries = new Set<string>();
  private readonly imageSubsets = new Map<string, ImageSet>();
  /** Names of the trainings that this session has put into the record. */
  private readonly recordedTrainings = new Set<string>();

  constructor(private readonly run: RunContext) {
    this.cache = new ResultCache(run.folder);
  }

  dispose(): void {
    for (const loader of this.loaders.values()) loader.dispose();
    this.loaders.clear();
  }

  /** Returns the context that `run` of an experiment gets. */
  create(setup: ExperimentSetup): ExperimentContext {
    const { run } = this;
    const images = (name: DatasetName) => this.images(setup, name);
    const note = (text: string) => {
      if (!setup.experimentRecord.reduced.includes(text)) setup.experimentRecord.reduced.push(text);
    };
    const cached: ExperimentContext['cached'] = (name, compute, options = {}) =>
      this.cached(setup, name, compute, options.depends);
    const loader: ExperimentContext['loader'] = (set, options = {}) =>
      this.loader(set, options) as unknown as ImageLoader;
    return {
      scale: setup.scale,
      settings: setup.settings,
      seed: setup.seed,
      device: run.device as unknown as Device,
      folder: run.folder,
      weightFiles: setup.weightFiles,
      signal: run.signal,
      atOnce: run.executor !== undefined,
      images,
      loaders: (name) => {
        const { train, test } = images(name);
        return { train: loader(train), test: loader(test) };
      },
      loader,
      train: (name, spec) => this.train(setup, name, spec),
      search: (name, spec) => this.search(setup, name, spec),
      cached,
      part: cached,
      variation: (name) => {
        const { short } = setup;
        if (!short?.names.includes(name)) return this.create(setup);
        note(`${name} at the short scale: ${short.notes.join(', ')}`);
        return this.create({ ...setup, scale: 'short', settings: short.settings });
      },
      note,
    };
  }

  private images(
    { settings, datasets, experimentRecord }: ExperimentSetup,
    name: DatasetName,
  ): { train: ImageSet; test: ImageSet } {
    const found = datasets.includes(name) ? this.run.datasets.get(name) : undefined;
    if (!found)
      throw new ArgumentError(`${experimentRecord.id}: ${name} is not one of its data sets, ${datasets.join(', ')}`);
    const first = (split: 'train' | 'test', limit: number | undefined) => {
      const set = found[split];
      if (limit === undefined || limit >= set.size) return set;
      const key = `${name} ${split} ${limit}`;
      const known = this.imageSubsets.get(key) ?? firstImages(set, limit);
      this.imageSubsets.set(key, known);
      return known;
    };
    return { train: first('train', settings.limit), test: first('test', settings.testLimit) };
  }

  private loader(set: ImageSet, options: object): EngineLoader {
    const identity = hashOf([fingerprintOf(set), options]);
    const known = this.loaders.get(identity);
    if (known) return known;
    const { engine, device } = this.run;
    const loader = engine.createLoader(device, set, options);
    this.loaders.set(identity, loader);
    this.identities.set(loader, identity);
    return loader;
  }

  /** Returns what identifies data in the key of a training; null for no data. @throws ArgumentError if nothing does */
  private identity(name: string, data: unknown, dataId: string | undefined): string | null {
    if (data === undefined) return null;
    const known = typeof data === 'object' && data !== null ? this.identities.get(data) : undefined;
    if (known === undefined && dataId === undefined) {
      throw new ArgumentError(
        `training ${name}: its data does not come from context.loader; name it with dataId, so that the run can be resumed`,
      );
    }
    return known ?? `${dataId}`;
  }

  private async train<M>(setup: ExperimentSetup, name: string, spec: TrainSpec<M>): Promise<Training<M>> {
    const { run } = this;
    const { settings } = setup;
    const { epochs = settings.epochs, replicas = settings.replicas } = spec;
    // Known only here: an experiment may train on some of the classes or samples.
    const samples = Math.floor(samplesOf(spec.data) * (1 - (spec.validationSplit ?? 0)));
    const requestedBatchSize = spec.batchSize ?? settings.batchSize;
    const batchSize = Math.max(1, Math.min(requestedBatchSize, samples));
    const seed = spec.seed ?? setup.seed;
    const seeds = Array.from({ length: replicas }, (_, i) => seed + i);
    setup.experimentRecord.seeds = [...new Set([...setup.experimentRecord.seeds, ...seeds])].sort((a, b) => a - b);
    const model = await spec.createModel();
    const compiled = spec.compile();
    const { optimizer, loss } = compiled;
    const hash = hashOf({
      ...{ epochs, batchSize, seeds, shuffle: spec.shuffle ?? true, split: spec.validationSplit },
      data: this.identity(name, spec.data, spec.dataId),
      validation: this.identity(name, spec.validationData, spec.dataId),
      test: this.identity(name, spec.testData, spec.dataId),
      network: networkKey(model, compiled),
      callbacks: spec.callbacks,
      measure: spec.measure,
      depends: spec.depends,
      ...(spec.cacheFeatures ? { cacheFeatures: true } : {}),
    });
    const entry: TrainingEntry = {
      ...{ name, row: setup.experimentRecord.id, status: 'running', kept: false },
      ...{ seeds, epochs, batchSize, histories: [], evaluations: [] },
      optimizer: typeof optimizer === 'string' ? optimizer : optimizer.name,
      loss: typeof loss === 'string' ? loss : typeof loss === 'function' ? loss.name || 'custom' : loss.name,
      model: {
        title: model.title,
        inputShape: [...model.inputShape],
        layers: modelLayers(model),
        summary: model.summary(),
        parameters: model.countParams(),
      },
      timings: { buildSeconds: 0, fitSeconds: 0, evaluateSeconds: 0 },
      ...(run.worker === undefined ? {} : { worker: run.worker }),
    };
    const backup = join(run.folder, 'backups', `${name}-${hash}.safetensors`);
    let secondsBefore = 0;
    const modelsText = replicas === 1 ? `seed ${seed}` : `${replicas} models, seeds ${seedsText(seeds)}`;
    return this.readOrCompute(setup, name, hash, training as unknown as z.ZodType<Training<M>>, {
      onCached: (value) => {
        if (this.recordedTrainings.has(name)) return; // by an experiment that shares it
        const { measured: _, ...rest } = value as Training;
        this.recordTraining({
          ...rest,
          row: setup.experimentRecord.id,
          status: 'finished',
          kept: !run.executor?.isFetched(name),
        });
      },
      secondsBefore: () => secondsBefore,
      onWritten: () => removeBackup(backup),
      compute: async () => {
        const resumeText = existsSync(backup) ? ', continuing where it stopped' : '';
        const batch =
          batchSize < requestedBatchSize
            ? `, batches of ${batchSize} (all samples) instead of ${requestedBatchSize}`
            : '';
        run.print(`\n${setup.experimentRecord.id}: training ${name}, ${modelsText}${batch}${resumeText}`);
        if (!this.printedSummaries.has(entry.model.summary)) run.print(`\n${entry.model.summary}\n`);
        this.printedSummaries.add(entry.model.summary);
        this.recordTraining(entry);
        try {
          const trained = await trainModels(entry, spec, {
            device: run.device as unknown as Device,
            folder: run.folder,
            signal: run.signal,
            progress: run.progress,
            backup,
            onChange: run.save,
          });
          entry.status = 'finished';
          const warning = divergenceText(entry);
          if (warning) run.print(`Warning: ${warning}`);
          const { row: _, status: __, kept: ___, ...rest } = entry;
          secondsBefore = trained.secondsBefore;
          return { ...rest, measured: trained.measured };
        } catch (error) {
          entry.status = error instanceof AbortedError ? 'interrupted' : 'failed';
          throw error;
        }
      },
    });
  }

  private async search(setup: ExperimentSetup, name: string, spec: SearchSpec): Promise<SearchRecord> {
    const { run } = this;
    const seed = spec.seed ?? setup.seed;
    setup.experimentRecord.seeds = [...new Set([...setup.experimentRecord.seeds, seed])].sort((a, b) => a - b);
    const batchSize = spec.batchSize ?? setup.settings.batchSize;
    const { objective, validationSplit, shuffle, buildModel, createSearch, callbacks, depends } = spec;
    const hash = hashOf({
      ...{
        search: true,
        seed,
        batchSize,
        objective,
        validationSplit,
        shuffle,
        buildModel,
        createSearch,
        callbacks,
        depends,
      },
      data: this.identity(name, spec.data, spec.dataId),
      validation: this.identity(name, spec.validationData, spec.dataId),
    });
    let secondsBefore = 0;
    const { device, signal, progress, executor } = run;
    const fit = { batchSize, device: device as unknown as Device, signal, progress };
    const runner = executor?.createTrialRunner?.({ row: setup.experimentRecord.id, name, hash });
    return this.readOrCompute(setup, name, hash, searchRecord, {
      isLocal: runner !== undefined,
      onCached: (record) =>
        this.recordSearch({ row: setup.experimentRecord.id, status: 'finished', kept: true, record }),
      secondsBefore: () => secondsBefore,
      compute: async () => {
        if (executor?.requestedTrial)
          return (await runRequestedTrial(spec, fit, executor.requestedTrial)) as unknown as SearchRecord;
        run.print(`\n${setup.experimentRecord.id}: search ${name}, seed ${seed}`);
        const done = await runSearch(spec, {
          ...{ name, seed, ...fit, runner, folder: searchFolder(run.folder, name, hash) },
          print: (text) => run.print(text),
          onChange: (status, record) => {
            this.recordSearch({ row: setup.experimentRecord.id, status, kept: false, record });
            run.save();
          },
        });
        secondsBefore = done.secondsBefore;
        return done.record;
      },
    });
  }

  /** Puts a search into the record, and removes its older entry from an earlier session or trial. */
  private recordSearch(entry: SearchEntry): void {
    const { record } = this.run;
    const others = (record.searches ?? []).filter(({ record: { name } }) => name !== entry.record.name);
    record.searches = [...others, entry];
  }

  /** Puts a training into the record, in the place of its entry from an earlier session if there is one. */
  private recordTraining(entry: TrainingEntry): void {
    const { trainings } = this.run.record;
    const index = trainings.findIndex(({ name }) => name === entry.name);
    trainings.splice(index < 0 ? trainings.length : index, index < 0 ? 0 : 1, entry);
    this.recordedTrainings.add(entry.name);
  }

  private cached<T>(setup: ExperimentSetup, name: string, compute: () => Promise<T>, depends: unknown): Promise<T> {
    const { settings, seed, datasets } = setup;
    const images = datasets.map((dataset) => Object.values(this.images(setup, dataset)).map(fingerprintOf));
    // `settings` contain the batch size.
    const hash = hashOf({ settings, seed, images, compute, depends });
    return this.readOrCompute(setup, name, hash, z.unknown() as z.ZodType<T>, {
      compute: async () => {
        this.run.print(`\n${setup.experimentRecord.id}: ${name}`);
        return compute();
      },
    });
  }

  /** Returns the saved result, or computes and saves it. */
  private async readOrCompute<T>(
    { experimentRecord }: ExperimentSetup,
    name: string,
    hash: string,
    schema: z.ZodType<T>,
    computation: {
      /** Called with a value that was saved before. */
      onCached?(value: T): void;
      compute(): Promise<T>;
      /** Whether it is computed in this process even if there is an executor. */
      isLocal?: boolean;
      /** Returns the seconds that earlier sessions took. */
      secondsBefore?(): number;
      /** Called when the value is on the disk. */
      onWritten?(): void;
    },
  ): Promise<T> {
    const { run, cache } = this;
    cache.check(name, hash);
    const saved = cache.read(name, hash, schema);
    if (saved) {
      if (!run.executor?.isFetched(name)) run.print(`${experimentRecord.id}: ${name} is done already`);
      experimentRecord.seconds += saved.seconds;
      computation.onCached?.(saved.value);
      computation.onWritten?.(); // a killed session may not have called it
      run.executor?.onCached(experimentRecord.id, name, hash, saved.value);
      run.save();
      return saved.value;
    }
    if (run.signal.aborted) throw new AbortedError(`${name}: stopped on request`);
    if (cache.hasOther(name, hash))
      run.print(`${experimentRecord.id}: the saved result ${name} is from other settings or code; computing it again`);
    if (run.executor && !computation.isLocal) {
      const compute = async () => toPlainJson(await computation.compute());
      const { value, seconds } = await run.executor.execute({ row: experimentRecord.id, name, hash }, compute);
      const checked = schema.safeParse(value);
      if (!checked.success)
        throw new DataError(
          `${name}: the value from a worker has the wrong form: ${checked.error.issues[0]!.message}; update the worker`,
        );
      cache.write(name, hash, { value, seconds });
      return checked.data;
    }
    const startTime = performance.now();
    // In the form in which it is read back, so that a resumed run gets the same value.
    const value = toPlainJson(await computation.compute());
    const seconds = secondsSince(startTime) + (computation.secondsBefore?.() ?? 0);
    run.save(); // first: a resumed run does not compute this again, so the record must name the kernels that ran
    cache.write(name, hash, { value, seconds });
    computation.onWritten?.();
    run.executor?.onCached(experimentRecord.id, name, hash, value);
    experimentRecord.seconds += seconds;
    run.save();
    return value;
  }
}

/** Removes a backup that is no longer needed, and its folder if that is empty then. */
function removeBackup(path: string): void {
  rmSync(path, { force: true });
  const folder = dirname(path);
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

/** Returns the first images in stored order, without a copy. */
function firstImages(set: ImageSet, count: number): ImageSet {
  const bytes = set.shape[0] * set.shape[1] * set.shape[2];
  return { ...set, images: set.images.subarray(0, count * bytes), labels: set.labels.subarray(0, count), size: count };
}
