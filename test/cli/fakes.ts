import type { Parts } from '../../src/cli/cli.ts';
import { main } from '../../src/cli/cli.ts';
import type { DataTools } from '../../src/cli/data.ts';
import type { DoctorEngine } from '../../src/cli/doctor.ts';
import type { Engine, EngineLoader, EngineModel } from '../../src/cli/engine.ts';
import type { Experiment } from '../../src/cli/experiment.ts';
import type { Io } from '../../src/cli/io.ts';
import type { Dataset, ImageSet } from '../../src/data/types.ts';
import type { EpochLogs, TrainInfo } from '../../src/nn/callbacks.ts';
import type { Model } from '../../src/nn/model.ts';
import type { Profile } from '../../src/tuner/profile.ts';
import type { Tuned } from '../../src/tuner/session.ts';

/** A terminal that remembers, and whose Ctrl-C a test presses. */
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

export interface FakeOptions {
  sampleSize?: number;
  kind?: Dataset['source']['kind'];
  /** Called in `fit` before epoch n of a model with this seed is reported. */
  duringEpoch?(epoch: number, seed: number): void;
  openDevice?(): never;
  doctorLosses?: number[];
  /** Choices in the tuner's cache, and what is said of a cache of no use. */
  measured?: number;
  tuningWarning?: string;
  /** Called after each measurement of `tune`. */
  duringTuning?(): void;
}

/** What happened to a fake engine. */
export interface Log {
  opened: number;
  disposed: string[];
  fits: { epochs: number; batchSize: number; seed?: number; samples: number }[];
  learningRates: number[];
  asked: { dir?: string; limit?: number }[];
  engineLoads: number;
  fineTimestamps: boolean;
  profiled: { samples: number; batchSize: number }[];
  tunings: { problems: number; seconds?: number }[];
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
  dispatches: [{ ...dispatch, workgroups: [1, 1, 1] }],
  kernels: [{ ...dispatch, calls: 1, share: 1, gflops: 2, gbs: 0.5, ofFma: 0.02, ofCopy: 0.05 }],
};

export const fakeTuned: Tuned = {
  ...{ operator: 'matmul', sizes: { m: 8 }, key: 'matmul m=8', shapes: '[8,4] [4,2] -> [8,2]', variant: 'subgroup' },
  ms: { naive: 3, subgroup: 1.5 },
  rejected: [{ variant: 'workgroup', reason: 'element 0 is NaN instead of 1' }],
};

/** An engine that trains nothing but behaves like one: the loss falls, the signal stops it between epochs. */
export function fakeParts(options: FakeOptions = {}): { parts: Parts; log: Log } {
  const log: Log = {
    ...{ opened: 0, disposed: [], fits: [], learningRates: [], asked: [], engineLoads: 0 },
    ...{ fineTimestamps: false, profiled: [], tunings: [] },
  };
  const model = (): EngineModel => {
    let modelSeed = -1;
    const dense = {
      layer: { kind: 'Dense' },
      name: 'dense',
      outputShape: [10],
      weights: [{ shape: [6200, 10] }, { shape: [6] }],
    };
    return {
      inputShape: [32, 32, 3],
      plannedLayers: [dense],
      uses: [{ layer: 0, inputs: [0] }],
      build(_device, { seed }) {
        modelSeed = seed;
      },
      compile: () => {},
      summary: () => 'Model: "fake"',
      countParams: () => 62006,
      async fit(data, { epochs = 1, batchSize = 32, seed, callbacks = [], signal } = {}) {
        const samples = (data as EngineLoader).size;
        log.fits.push({ epochs, batchSize, seed, samples });
        const done: EpochLogs[] = [];
        const info = { model: this as unknown as Model, epochs, samples, batchSize } as TrainInfo;
        for (const callback of callbacks) await callback.onTrainBegin?.(info);
        for (let epoch = 1; epoch <= epochs; epoch++) {
          options.duringEpoch?.(epoch, modelSeed);
          if (signal?.aborted) return { epochs: done, replicas: [done], interrupted: true, seconds: done.length };
          const logs = epochLogs(epoch, 2 / (epoch + modelSeed));
          done.push(logs);
          for (const callback of callbacks) await callback.onEpochEnd?.(logs, [logs]);
        }
        return { epochs: done, replicas: [done], interrupted: false, seconds: done.length };
      },
      evaluate: async () => ({ loss: 1, accuracy: 0.5 + modelSeed / 100 }),
      dispose: () => log.disposed.push(`model ${modelSeed}`),
    };
  };
  const device = () => ({
    info: adapter,
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
  const images = (limit = size): ImageSet => ({
    images: new Uint8Array(0),
    labels: new Uint8Array(0),
    size: Math.min(limit, size),
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
    createLoader: (_device, set) => ({ size: set.size, dispose: () => log.disposed.push('loader') }),
    async loadTuning(_device, warn) {
      if (options.tuningWarning) warn(options.tuningWarning);
      return { path: '/cache/tuning.json', measured: options.measured ?? 0, rulesMeasured: true, hash: () => 'c0ffee' };
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
      log.profiled.push({ samples: data.size, batchSize });
      return fakeProfile;
    },
    async loadDataset(name, { dir, limit }) {
      log.asked.push({ dir, limit });
      const description = `${size} images`;
      const source = { kind: options.kind ?? 'sample', path: '/data', description } as const;
      return { name, train: images(limit), test: images(limit), source };
    },
    trainSmallNetwork: async () => (options.doctorLosses ?? [2, 1.5, 1]).map((loss, i) => epochLogs(i + 1, loss)),
  };
  const experiment: Experiment = {
    id: 'A1',
    title: 'LeNet-5 on CIFAR-10',
    question: 'How well does it do?',
    dataset: 'cifar10',
    published: { trainAccuracy: 0.6191, testAccuracy: 0.6022, parameters: 62006 },
    defaults: { epochs: 3, batchSize: 256, learningRate: 0.001, seed: 1, runs: 1 },
    loss: 'sparseCategoricalCrossentropy',
    optimizer: 'Adam',
    createModel: model,
    createOptimizer: (learningRate) => {
      log.learningRates.push(learningRate);
      return {};
    },
  };
  const parts: Parts = {
    experiments: async () => [experiment],
    async engine() {
      log.engineLoads++;
      return engine;
    },
    data: async () => fakeData,
  };
  return { parts, log };
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
};

/** Runs `tilegrad` with these words. */
export async function tilegrad(
  words: string[],
  options: FakeOptions & { io?: FakeIo; parts?: Partial<Parts> } = {},
): Promise<{ code: number; out: string; err: string; log: Log; io: FakeIo }> {
  const io = options.io ?? new FakeIo();
  const { parts, log } = fakeParts(options);
  const code = await main(['node', 'tilegrad', ...words], { ...parts, ...options.parts }, io);
  return { code, out: io.out, err: io.err, log, io };
}
