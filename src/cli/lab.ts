import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AbortedError, ArgumentError, DataError } from '../base/errors.ts';
import type { ImageLoader } from '../data/loader.ts';
import type { Dataset, DatasetName, ImageSet } from '../data/types.ts';
import type { Device } from '../gpu/device.ts';
import { seedsText } from '../report/format.ts';
import { modelLayers } from '../report/model-layers.ts';
import type { RowRecord, RunRecord, SearchEntry, TrainingEntry } from '../report/run-record.ts';
import { divergenceText, type Training, training } from '../report/training.ts';
import { type SearchRecord, searchRecord } from '../search/record.ts';
import type { TrialRunner } from '../search/trial.ts';
import type { Callback } from '../training/model.ts';
import type { Engine, EngineDevice, EngineLoader } from './engine.ts';
import type { Lab, Scale, SearchSpec, Settings, TrainSpec } from './experiment.ts';
import { fingerprintOf, hashOf, networkKey } from './fingerprint.ts';
import { type OneTrial, runOneTrial, runSearch, searchFolder } from './lab-search.ts';
import { PartStore } from './part-store.ts';
import { samplesOf, trainModels } from './training.ts';

/** Where the parts of rows are computed, if not here. */
export interface Elsewhere {
  /**
   * The value of a part.
   * @param compute computes it here
   */
  part(
    asked: { row: string; name: string; hash: string },
    compute: () => Promise<unknown>,
  ): Promise<{ value: unknown; seconds: number }>;
  /** Is told of a part that was kept in the run's folder. */
  known(row: string, name: string, hash: string, value: unknown): void;
  /** Whether a part was computed elsewhere in this session. */
  isFetched(name: string): boolean;
  /** Of a coordinator: what runs the trials of a search, which itself runs here. */
  trials?(asked: { row: string; name: string; hash: string }): TrialRunner;
  /** Of a worker that is asked for one trial of a search. */
  trial?: OneTrial | undefined;
}

/** What the rows of a run share. */
export interface Bench {
  engine: Engine;
  device: EngineDevice;
  folder: string;
  datasets: ReadonlyMap<DatasetName, Dataset>;
  record: RunRecord;
  signal: AbortSignal;
  progress: Callback;
  /** Tells people something. */
  say(text: string): void;
  /** Brings `run.json` up to date. */
  save(): void;
  /** With `--workers`, and on a worker. */
  elsewhere?: Elsewhere;
  /** On a worker: its name and adapter, for the record. */
  worker?: string;
}

/** What a row has to itself. */
export interface RowPlace {
  row: RowRecord;
  scale: Scale;
  settings: Settings;
  seed: number;
  datasets: readonly DatasetName[];
  weightFiles: readonly string[];
  /** What `--short` cuts, to which settings, and in words what that changes. */
  short?: { names: readonly string[]; settings: Settings; notes: readonly string[] };
}

const since = (start: number) => (performance.now() - start) / 1000;
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value ?? null)) as T;

/** The rooms of a run: its rows get a lab each, and share images on the device and finished parts. */
export class Labs {
  private readonly store: PartStore;
  private readonly loaders = new Map<string, EngineLoader>();
  private readonly identities = new WeakMap<object, string>();
  /** Summaries of models that were printed: many rows train the same. */
  private readonly shown = new Set<string>();
  private readonly cut = new Map<string, ImageSet>();
  /** Names of the trainings that this session has put into the record. */
  private readonly entered = new Set<string>();

  constructor(private readonly bench: Bench) {
    this.store = new PartStore(bench.folder);
  }

  dispose(): void {
    for (const loader of this.loaders.values()) loader.dispose();
    this.loaders.clear();
  }

  /** What a row is given to work with. */
  lab(place: RowPlace): Lab {
    const { bench } = this;
    const images = (name: DatasetName) => this.images(place, name);
    const note = (text: string) => {
      if (!place.row.reduced.includes(text)) place.row.reduced.push(text);
    };
    const loader: Lab['loader'] = (set, options = {}) => this.loader(set, options) as unknown as ImageLoader;
    return {
      scale: place.scale,
      settings: place.settings,
      seed: place.seed,
      device: bench.device as unknown as Device,
      folder: bench.folder,
      weightFiles: place.weightFiles,
      signal: bench.signal,
      atOnce: bench.elsewhere !== undefined,
      images,
      loaders: (name) => {
        const { train, test } = images(name);
        return { train: loader(train), test: loader(test) };
      },
      loader,
      train: (name, spec) => this.train(place, name, spec),
      search: (name, spec) => this.search(place, name, spec),
      part: (name, compute, options = {}) => this.part(place, name, compute, options.depends),
      variation: (name) => {
        const { short } = place;
        if (!short?.names.includes(name)) return this.lab(place);
        note(`${name} at the short scale: ${short.notes.join(', ')}`);
        return this.lab({ ...place, scale: 'short', settings: short.settings });
      },
      note,
    };
  }

  private images({ settings, datasets, row }: RowPlace, name: DatasetName): { train: ImageSet; test: ImageSet } {
    const found = datasets.includes(name) ? this.bench.datasets.get(name) : undefined;
    if (!found) throw new ArgumentError(`${row.id}: ${name} is none of its data sets, ${datasets.join(', ')}`);
    const first = (part: 'train' | 'test', limit: number | undefined) => {
      const set = found[part];
      if (limit === undefined || limit >= set.size) return set;
      const key = `${name} ${part} ${limit}`;
      const known = this.cut.get(key) ?? firstImages(set, limit);
      this.cut.set(key, known);
      return known;
    };
    return { train: first('train', settings.limit), test: first('test', settings.testLimit) };
  }

  private loader(set: ImageSet, options: object): EngineLoader {
    const identity = hashOf([fingerprintOf(set), options]);
    const known = this.loaders.get(identity);
    if (known) return known;
    const { engine, device } = this.bench;
    const loader = engine.createLoader(device, set, options);
    this.loaders.set(identity, loader);
    this.identities.set(loader, identity);
    return loader;
  }

  /** What data is, for the key of a training. @throws ArgumentError for data nobody can name */
  private identity(name: string, data: unknown, dataId: string | undefined): string | null {
    if (data === undefined) return null;
    const known = typeof data === 'object' && data !== null ? this.identities.get(data) : undefined;
    if (known === undefined && dataId === undefined) {
      throw new ArgumentError(
        `training ${name}: its data comes from elsewhere than lab.loader; say what it is, with dataId, so that a run can go on`,
      );
    }
    return known ?? `${dataId}`;
  }

  private async train<M>(place: RowPlace, name: string, spec: TrainSpec<M>): Promise<Training<M>> {
    const { bench } = this;
    const { settings } = place;
    const { epochs = settings.epochs, replicas = settings.replicas } = spec;
    // A row may train on some of the classes only, or on a part: that is known no sooner.
    const samples = Math.floor(samplesOf(spec.data) * (1 - (spec.validationSplit ?? 0)));
    const asked = spec.batchSize ?? settings.batchSize;
    const batchSize = Math.max(1, Math.min(asked, samples));
    const seed = spec.seed ?? place.seed;
    const seeds = Array.from({ length: replicas }, (_, i) => seed + i);
    place.row.seeds = [...new Set([...place.row.seeds, ...seeds])].sort((a, b) => a - b);
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
      ...{ name, row: place.row.id, status: 'running', kept: false },
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
      ...(bench.worker === undefined ? {} : { worker: bench.worker }),
    };
    const backup = join(bench.folder, 'backups', `${name}-${hash}.safetensors`);
    let secondsBefore = 0;
    const who = replicas === 1 ? `seed ${seed}` : `${replicas} models, seeds ${seedsText(seeds)}`;
    return this.once(place, name, hash, training as unknown as z.ZodType<Training<M>>, {
      kept: (value) => {
        if (this.entered.has(name)) return; // by a row that shares it
        const { measured: _, ...rest } = value as Training;
        this.enter({ ...rest, row: place.row.id, status: 'finished', kept: !bench.elsewhere?.isFetched(name) });
      },
      before: () => secondsBefore,
      written: () => removeBackup(backup),
      compute: async () => {
        const going = existsSync(backup) ? ', going on where it was stopped' : '';
        const batch = batchSize < asked ? `, batches of ${batchSize} (all samples) instead of ${asked}` : '';
        bench.say(`\n${place.row.id}: training ${name}, ${who}${batch}${going}`);
        if (!this.shown.has(entry.model.summary)) bench.say(`\n${entry.model.summary}\n`);
        this.shown.add(entry.model.summary);
        this.enter(entry);
        try {
          const trained = await trainModels(entry, spec, {
            device: bench.device as unknown as Device,
            folder: bench.folder,
            signal: bench.signal,
            progress: bench.progress,
            backup,
            onChange: bench.save,
          });
          entry.status = 'finished';
          const warning = divergenceText(entry);
          if (warning) bench.say(`Warning: ${warning}`);
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

  private async search(place: RowPlace, name: string, spec: SearchSpec): Promise<SearchRecord> {
    const { bench } = this;
    const seed = spec.seed ?? place.seed;
    place.row.seeds = [...new Set([...place.row.seeds, seed])].sort((a, b) => a - b);
    const batchSize = spec.batchSize ?? place.settings.batchSize;
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
    const { device, signal, progress, elsewhere } = bench;
    const fit = { batchSize, device: device as unknown as Device, signal, progress };
    const runner = elsewhere?.trials?.({ row: place.row.id, name, hash });
    return this.once(place, name, hash, searchRecord, {
      isHere: runner !== undefined,
      kept: (record) => this.enterSearch({ row: place.row.id, status: 'finished', kept: true, record }),
      before: () => secondsBefore,
      compute: async () => {
        if (elsewhere?.trial) return (await runOneTrial(spec, fit, elsewhere.trial)) as unknown as SearchRecord;
        bench.say(`\n${place.row.id}: search ${name}, seed ${seed}`);
        const done = await runSearch(spec, {
          ...{ name, seed, ...fit, runner, folder: searchFolder(bench.folder, name, hash) },
          say: (text) => bench.say(text),
          onChange: (status, record) => {
            this.enterSearch({ row: place.row.id, status, kept: false, record });
            bench.save();
          },
        });
        secondsBefore = done.secondsBefore;
        return done.record;
      },
    });
  }

  /** Puts a search into the record, in place of what an earlier session or trial left of it. */
  private enterSearch(entry: SearchEntry): void {
    const { record } = this.bench;
    const others = (record.searches ?? []).filter((one) => one.record.name !== entry.record.name);
    record.searches = [...others, entry];
  }

  /** Puts a training into the record, in place of what an earlier session left of it. */
  private enter(entry: TrainingEntry): void {
    const { trainings } = this.bench.record;
    const at = trainings.findIndex(({ name }) => name === entry.name);
    trainings.splice(at < 0 ? trainings.length : at, at < 0 ? 0 : 1, entry);
    this.entered.add(entry.name);
  }

  private part<T>(place: RowPlace, name: string, compute: () => Promise<T>, depends: unknown): Promise<T> {
    const { settings, seed, datasets } = place;
    const images = datasets.map((one) => Object.values(this.images(place, one)).map(fingerprintOf));
    // Batch sizes and the like are part of the settings.
    const hash = hashOf({ settings, seed, images, compute, depends });
    return this.once(place, name, hash, z.unknown() as z.ZodType<T>, {
      compute: async () => {
        this.bench.say(`\n${place.row.id}: ${name}`);
        return compute();
      },
    });
  }

  /** Takes over what was kept, or computes it and keeps it. */
  private async once<T>(
    { row }: RowPlace,
    name: string,
    hash: string,
    schema: z.ZodType<T>,
    how: {
      /** Told of a value that was kept. */
      kept?(value: T): void;
      compute(): Promise<T>;
      /** Whether it is computed here, whatever is elsewhere. */
      isHere?: boolean;
      /** Seconds of earlier sessions. */
      before?(): number;
      /** Told when the value is on the disk. */
      written?(): void;
    },
  ): Promise<T> {
    const { bench, store } = this;
    store.check(name, hash);
    const kept = store.read(name, hash, schema);
    if (kept) {
      if (!bench.elsewhere?.isFetched(name)) bench.say(`${row.id}: ${name} is done already`);
      row.seconds += kept.seconds;
      how.kept?.(kept.value);
      how.written?.(); // a session that was killed may not have come to it
      bench.elsewhere?.known(row.id, name, hash, kept.value);
      bench.save();
      return kept.value;
    }
    if (bench.signal.aborted) throw new AbortedError(`${name}: stopped on request`);
    if (store.hasOther(name, hash)) bench.say(`${row.id}: what was kept as ${name} is of other settings or code`);
    if (bench.elsewhere && !how.isHere) {
      const compute = async () => plain(await how.compute());
      const { value, seconds } = await bench.elsewhere.part({ row: row.id, name, hash }, compute);
      const checked = schema.safeParse(value);
      if (!checked.success)
        throw new DataError(`${name}: what came from a worker is no such part: ${checked.error.issues[0]!.message}`);
      store.write(name, hash, { value, seconds });
      return checked.data;
    }
    const begun = performance.now();
    // As it will be read back, so that a run that goes on has the same.
    const value = plain(await how.compute());
    const seconds = since(begun) + (how.before?.() ?? 0);
    bench.save(); // what a later session does not do again is in the record first, such as the kernels chosen for it
    store.write(name, hash, { value, seconds });
    how.written?.();
    bench.elsewhere?.known(row.id, name, hash, value);
    row.seconds += seconds;
    bench.save();
    return value;
  }
}

/** A backup is of no more use; nor is its folder, once it is empty. */
function removeBackup(path: string): void {
  rmSync(path, { force: true });
  const folder = dirname(path);
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

/** The first images as they lie, without a copy. */
function firstImages(set: ImageSet, count: number): ImageSet {
  const bytes = set.shape[0] * set.shape[1] * set.shape[2];
  return { ...set, images: set.images.subarray(0, count * bytes), labels: set.labels.subarray(0, count), size: count };
}
