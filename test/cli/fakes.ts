import type { Checkpoint } from '../../src/applications/checkpoints.ts';
import { DataError } from '../../src/base/errors.ts';
import { main } from '../../src/cli/cli.ts';
import type { DataTools } from '../../src/cli/data.ts';
import type { DoctorEngine } from '../../src/cli/doctor.ts';
import type { Engine, EngineLoader, EngineModel } from '../../src/cli/engine.ts';
import type { Catalogue, Coursework, Experiment, Network, TrainSpec } from '../../src/cli/experiment.ts';
import type { Io } from '../../src/cli/io.ts';
import type { LazyModules } from '../../src/cli/lazy-modules.ts';
import type { Dataset, ImageSet } from '../../src/data/types.ts';
import type { Probe } from '../../src/gpu/probe.ts';
import { compare, measuredRow, modelBlocks, section, trainingCurves } from '../../src/report/blocks.ts';
import { lastFigures, testFigures } from '../../src/report/training.ts';
import type { EpochLogs } from '../../src/training/callbacks/logs.ts';
import type { Model, TrainInfo } from '../../src/training/model.ts';
import type { Profile } from '../../src/tuner/profile.ts';
import type { Tuned } from '../../src/tuner/session.ts';

/** Records the output; a test can press Ctrl-C. */
export class FakeIo implements Io {
  out = '';
  err = '';
  exitCodes: number[] = [];
  handlers = new Set<() => void>();
  env: Record<string, string | undefined> = {};
  stdout: Io['stdout'] = { write: (text: string) => (this.out += text) };
  stderr: Io['stderr'] = { write: (text: string) => (this.err += text) };
  onInterrupt(handler: () => void): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }
  exit(code: number): void {
    this.exitCodes.push(code);
  }
  pressCtrlC(): void {
    for (const handler of this.handlers) handler();
  }
}

export const adapter = {
  name: 'llvmpipe (fake)',
  vendor: 'mesa',
  architecture: '',
  driver: 'Mesa 25.0.7',
  isSoftware: true,
  features: ['shader-f16'],
  limits: { maxBufferSize: 1024 },
};

export const probe: Probe = {
  lanes: 'ok',
  shuffles: 'ok',
  nanInRelu: 'ok',
  nanAgainstZero: 'ok',
  nanAgainstItself: 'ok',
  division: 'ok',
  denormals: 'flushed',
  notes: [],
};

export interface FakeOptions {
  sampleSize?: number;
  /** Seeds of models whose loss is NaN from the second epoch on. */
  diverging?: number[];
  /** Label of all images, so that they differ from the usual ones. */
  label?: number;
  kind?: Dataset['source']['kind'];
  /** Called in `fit` before epoch n is reported. */
  duringEpoch?(epoch: number): void;
  openDevice?(): never;
  doctorLosses?: number[];
  /** Number of choices in the tuner's cache, and the warning for an unusable cache. */
  measured?: number;
  tuningWarning?: string;
  /** The experiments; default one A1. */
  experiments?(network: Network): Catalogue['experiments'];
  /** Paths of published weights. */
  weights?: string[];
  /** Summary of coursework A over all experiments. */
  summary?: Coursework['summary'];
  /** Findings about the adapter. */
  probe?: Partial<Probe>;
  /** Limits of the adapter. */
  limits?: Record<string, number>;
  /** Called after each measurement of `tune`. */
  duringTuning?(): void;
}

/** Calls that a fake engine received. */
export interface Log {
  opened: number;
  disposed: string[];
  fits: { epochs: number; batchSize: number; seed?: number; replicas: number; samples: number }[];
  asked: { dir?: string }[];
  engineLoads: number;
  fineTimestamps: boolean;
  profiled: { samples: number; batchSize: number; labels: number[]; classes: number }[];
  tunings: { problems: number; seconds?: number }[];
  checkpoints: Checkpoint[];
}

export function epochLogs(epoch: number, loss: number): EpochLogs {
  return {
    epoch,
    loss,
    accuracy: 1 - loss / 4,
    valLoss: loss + 0.1,
    valAccuracy: 0.9 - loss / 4,
    learningRate: 0.001,
    seconds: 2,
    samplesPerSecond: 1500,
  };
}

const dispatch = { kernel: 'matmul', shapes: '[8,4] [4,2] [8,2]', ms: 2, flops: 4e6, bytes: 1e6 };

export const fakeProfile: Profile = {
  adapter: { name: 'llvmpipe (fake)', vendor: 'mesa', driver: 'Mesa 25.0.7', isSoftware: true },
  clock: 'timestamps',
  clockReason: null,
  ceilings: { fmaGflops: 100, copyGBs: 10 },
  step: {
    ...{ ms: 9, dispatches: 1, submits: 1, createdObjects: 0 },
    ...{ bytesUploaded: 16, bytesMoved: 3e6, flops: 8e6, peakBytes: 2.5e6 },
  },
  dispatches: [{ ...dispatch, workgroups: [1, 1, 1], layer: null, backward: false, choices: [] }],
  kernels: [{ ...dispatch, calls: 1, share: 1, gflops: 2, gbs: 0.5, ofFma: 0.02, ofCopy: 0.05 }],
};

export const fakeTuned: Tuned = {
  ...{ operator: 'matmul', sizes: { m: 8 }, key: 'matmul m=8', shapes: '[8,4] [4,2] -> [8,2]', variant: 'subgroup' },
  ms: { naive: 3, subgroup: 1.5 },
  rejected: [{ variant: 'workgroup', reason: 'element 0 is NaN instead of 1' }],
};

/** The experiment that tests run: one training of a fake model, with a comparison. */
export function lenetOf(network: Network, change: Partial<Experiment> = {}): Experiment {
  return {
    id: 'A1',
    title: 'LeNet-5 on CIFAR-10',
    question: ['How well does it do?'],
    published: '0.6191 / 0.6022',
    datasets: ['cifar10'],
    scales: {
      full: { epochs: 3, batchSize: 256, replicas: 1, learningRate: 0.001 },
      smoke: { epochs: 1, limit: 300, cut: ['the rest'] },
    },
    networks: [network],
    async run(context) {
      const { train, test } = context.loaders('cifar10');
      const trained = await context.train('baseline', { ...network, data: train, validationData: test });
      return [
        section(
          'Results',
          compare([
            measuredRow('training accuracy', 0.6191, lastFigures(trained)),
            measuredRow('test accuracy', 0.6022, testFigures(trained)),
            { label: 'parameters', published: 62_006, ours: trained.model.parameters, unit: 'count' },
          ]),
        ),
        section('Curves', trainingCurves(trained, { title: 'A1' })),
        section('Model', modelBlocks(trained)),
      ];
    },
    ...change,
  };
}

/** An experiment with some trainings of one network, and a cached result. */
export function rowOf(network: Network, id: string, specs: Record<string, Partial<TrainSpec>>): Experiment {
  return lenetOf(network, {
    id,
    async run(context) {
      const { train } = context.loaders('cifar10');
      const blocks = [];
      for (const [name, spec] of Object.entries(specs)) {
        const trained = await context.train(name, { ...network, data: train, validationData: train, ...spec });
        blocks.push(compare([measuredRow(name, 0.5, testFigures(trained))]));
      }
      const seeds = await context.cached(`seeds-of-${id.toLowerCase()}`, async () => ({
        seed: context.seed,
        nothing: Number.NaN,
      }));
      return [section('Results', ...blocks), section('Part', { type: 'text', text: JSON.stringify(seeds) })];
    },
  });
}

/** An engine that trains nothing but behaves like one: the loss decreases, and the signal stops it between epochs. */
export function fakeModules(options: FakeOptions = {}): { modules: LazyModules; log: Log } {
  const log: Log = {
    ...{ opened: 0, disposed: [], fits: [], asked: [], engineLoads: 0 },
    ...{ fineTimestamps: false, profiled: [], tunings: [], checkpoints: [] },
  };
  const model = (): EngineModel & { title: string; plan(): object } => {
    let seeds = [-1];
    const dense = {
      layer: { kind: 'Dense' },
      name: 'dense',
      outputShape: [10],
      weights: [{ shape: [6200, 10] }, { shape: [6] }],
    };
    return {
      title: 'fake',
      outputShape: [10],
      inputShape: [32, 32, 3],
      plannedLayers: [dense],
      plan: () => ({ weights: [] }),
      uses: [{ layer: 0, inputs: [0] }],
      build(_device, { seed, replicas = 1 }) {
        seeds = Array.from({ length: replicas }, (_, r) => seed + r);
      },
      compile: () => {},
      summary: () => 'Model: "fake"',
      countParams: () => 62006,
      async fit(data, { epochs = 1, batchSize = 32, seed, callbacks = [], signal } = {}) {
        const samples = (data as EngineLoader).size;
        log.fits.push({ epochs, batchSize, seed, replicas: seeds.length, samples });
        const done: EpochLogs[][] = seeds.map(() => []);
        const history = (interrupted: boolean) => ({
          ...{ epochs: done[0]!, replicas: done, interrupted, diverged: [], seconds: done[0]!.length },
        });
        const info = { model: this as unknown as Model, epochs, samples, batchSize } as TrainInfo;
        for (const callback of callbacks) await callback.onTrainBegin?.(info);
        for (let epoch = 1; epoch <= epochs; epoch++) {
          options.duringEpoch?.(epoch);
          if (signal?.aborted) return history(true);
          const replicas = seeds.map((one) =>
            epochLogs(epoch, epoch > 1 && options.diverging?.includes(one) ? Number.NaN : 2 / (epoch + one)),
          );
          for (const [r, logs] of replicas.entries()) done[r]!.push(logs);
          for (const callback of callbacks) await callback.onEpochEnd?.(replicas[0]!, replicas);
        }
        return history(false);
      },
      evaluateReplicas: async () => seeds.map((one) => ({ loss: 1, accuracy: 0.5 + one / 100 })),
      dispose: () => log.disposed.push(`model ${seeds.join(' ')}`),
    };
  };
  const device = () => ({
    info: { ...adapter, limits: options.limits ?? adapter.limits },
    probe: { ...probe, ...options.probe },
    counters: {
      dispatches: 7,
      submits: 1,
      pipelinesCreated: 2,
      bindGroupsCreated: 3,
      buffersCreated: 4,
      bytesAllocated: 5,
      bytesUploaded: 6,
      bytesReadBack: 7,
      readBacks: 8,
    },
    dispose: () => log.disposed.push('device'),
  });
  const size = options.sampleSize ?? 1000;
  const images = (): ImageSet => ({
    images: new Uint8Array(0),
    labels: Uint8Array.from(options.label === undefined ? [] : [options.label]),
    size,
    shape: [32, 32, 3],
    classes: [],
  });
  const engine: Engine & DoctorEngine = {
    async openDevice({ fineTimestamps = false } = {}) {
      options.openDevice?.();
      log.opened++;
      log.fineTimestamps = fineTimestamps;
      return device();
    },
    createLoader: (_device, set) => ({ size: set.size, set, dispose: () => log.disposed.push('loader') }),
    async loadTuning(_device, warn) {
      if (options.tuningWarning) warn(options.tuningWarning);
      const measured = options.measured ?? 0;
      const measuredHash = `of ${measured}`;
      // The number of epochs selects the kernel.
      const choices = () => Object.fromEntries(log.fits.map(({ epochs }) => [`matmul m=${epochs}`, 'naive']));
      const hash = (given: object = choices()) => `of ${Object.keys(given).sort()}`;
      return { path: '/cache/tuning.json', measured, measuredHash, rulesMeasured: true, choices, hash };
    },
    problemsOf: (_model, batchSize) => [{ operator: 'matmul', sizes: { m: batchSize } }],
    async tune(_device, problems, { seconds, signal, onTuned }) {
      log.tunings.push({ problems: problems.length, seconds });
      const done: Tuned[] = [];
      for (const [i, problem] of [...problems, { operator: 'conv2d', sizes: {} }].entries()) {
        if (signal?.aborted) break;
        done.push({ ...fakeTuned, ...problem });
        onTuned?.(done[i]!, { done: i + 1, total: problems.length + 1 });
        options.duringTuning?.();
      }
      return done;
    },
    async profileStep(_model, data, { batchSize }) {
      const { labels, classes } = (data as EngineLoader & { set: ImageSet }).set;
      log.profiled.push({ samples: data.size, batchSize, labels: [...labels], classes: classes.length });
      return fakeProfile;
    },
    async loadDataset(name, { dir }) {
      log.asked.push({ dir });
      const description = `${size} images`;
      const source = { kind: options.kind ?? 'sample', path: '/data', description } as const;
      return { name, train: images(), test: images(), source };
    },
    async findCheckpoint(checkpoint, { onProgress }) {
      log.checkpoints.push(checkpoint);
      if (!options.weights) throw new DataError('mobileNetV2: no weights on this machine');
      onProgress({ file: 'weights.h5', received: 1, total: 2 });
      return options.weights;
    },
    trainSmallNetwork: async () => (options.doctorLosses ?? [2, 1.5, 1]).map((loss, i) => epochLogs(i + 1, loss)),
  };
  const network = {
    createModel: () => model() as unknown as Model,
    compile: () => ({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' }) as const,
  };
  const experiments = options.experiments?.(network) ?? [lenetOf(network)];
  const modules: LazyModules = {
    catalogue: async () => ({
      experiments,
      courseworks: [{ id: 'A', title: 'LeNet-5', question: ['And all of them?'], summary: options.summary }],
    }),
    async engine() {
      log.engineLoads++;
      return engine;
    },
    data: async () => fakeData,
    setup: async () => ({ ensureAdapter: () => adapter.name }),
  };
  return { modules, log };
}

const summary = { homepage: 'https://example.org', licence: 'free', train: 60000, test: 10000, files: [{ size: 5e6 }] };

export const fakeData: DataTools = {
  datasets: {
    cifar10: { ...summary, title: 'CIFAR-10' },
    mnist: { ...summary, title: 'MNIST' },
    'fashion-mnist': { ...summary, title: 'Fashion-MNIST' },
  },
  datasetStatus: async (name) =>
    name === 'cifar10'
      ? { kind: 'sample', path: '/package/sample', missing: [] }
      : name === 'mnist'
        ? { kind: 'folder', path: '/cache/mnist', missing: ['t10k-labels-idx1-ubyte'] }
        : null,
  async fetchDataset(name, { dir, onProgress }) {
    onProgress?.({ file: 'a.gz', received: 1e6, total: 5e6 });
    onProgress?.({ file: 'a.gz', received: 5e6, total: 5e6 });
    return { path: `${dir ?? '/cache'}/${name}`, files: ['a.gz'], downloaded: ['a.gz'], reused: [] };
  },
  weightsStatus: async () => [
    {
      ...{ kind: 'cache', path: '/cache/mobilenet-v2', problem: null },
      weights: [{ alpha: 1, rows: 224, includeTop: false }],
    },
    { kind: 'TILEGRAD_WEIGHTS', path: '/w', weights: [], problem: 'it is a file; name its folder' },
  ],
  async fetchWeights(options, { dir, onProgress }) {
    onProgress?.({ file: 'a.h5', received: 9e6, total: 9e6 });
    return {
      path: `${dir ?? '/cache'}/mobilenet-v2`,
      files: [JSON.stringify(options)],
      downloaded: ['a.h5'],
      reused: [],
    };
  },
};

/** Runs `tilegrad` with these arguments. */
export async function tilegrad(
  words: string[],
  options: FakeOptions & { io?: FakeIo; modules?: Partial<LazyModules> } = {},
): Promise<{ code: number; out: string; err: string; log: Log; io: FakeIo }> {
  const io = options.io ?? new FakeIo();
  const { modules, log } = fakeModules(options);
  const code = await main(['node', 'tilegrad', ...words], { ...modules, ...options.modules }, io);
  return { code, out: io.out, err: io.err, log, io };
}
