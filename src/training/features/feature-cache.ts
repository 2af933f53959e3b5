import { noGrad } from '../../autograd/tape.ts';
import { scope, Tensor } from '../../autograd/tensor.ts';
import { checkOptions, formatValue } from '../../base/check.ts';
import { AbortedError, ArgumentError, OutOfMemoryError } from '../../base/errors.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { type LayerCall, layerCalls } from '../../nn/graph/layer-calls.ts';
import type { Weight } from '../../nn/weights/weight.ts';
import type { PreparedData } from '../batches/prepared-data.ts';
import { SourceBatches } from '../batches/source-batches.ts';
import { callSubgraph } from '../call-subgraph.ts';
import type { FeatureLogs } from '../callbacks/logs.ts';
import { Throttle } from '../throttle.ts';
import type { Trainable } from '../trainable.ts';
import { findCut } from './feature-cut.ts';
import { type FeatureBatch, FeatureSource } from './feature-source.ts';

/** Options of `cacheFeatures`. */
export interface CacheFeaturesOptions {
  /** Bytes of features on the adapter. Data sets whose features need more stay on the host, which uploads each batch. Default 1 GiB. */
  adapterBytes?: number;
}

const ADAPTER_BYTES = 2 ** 30;
/** Milliseconds between reports. */
const PROGRESS_INTERVAL_MS = 250;

/** Limit in bytes of features on the adapter; null without `cacheFeatures`. @throws ArgumentError */
export function readAdapterBytes(
  subject: string,
  cacheFeatures: boolean | CacheFeaturesOptions | undefined,
): number | null {
  if (cacheFeatures === undefined || cacheFeatures === false) return null;
  if (cacheFeatures === true) return ADAPTER_BYTES;
  if (typeof cacheFeatures !== 'object' || cacheFeatures === null) {
    throw new ArgumentError(
      `${subject}: cacheFeatures must be true, false or { adapterBytes }, but is ${formatValue(cacheFeatures)}`,
    );
  }
  const options = checkOptions(`${subject}: cacheFeatures`, cacheFeatures, { adapterBytes: true });
  const { adapterBytes = ADAPTER_BYTES } = options;
  if (Number.isInteger(adapterBytes) && adapterBytes >= 0) return adapterBytes;
  throw new ArgumentError(
    `${subject}: adapterBytes of cacheFeatures must be a number of bytes from 0 up, but is ${formatValue(adapterBytes)}`,
  );
}

/** A data set whose features are cached. */
interface CachedDataset {
  data: PreparedData;
  source: FeatureSource;
  batchSize: number;
}

/**
 * Outputs of the frozen layers at the beginning of a model for each sample, computed once for a training. Epochs then run only the other
 * layers, with the same random numbers as in the whole model.
 */
export class FeatureCache {
  /** Graph value of the model that is cached: see `findCut`. */
  readonly cut: number;
  private readonly calls: readonly LayerCall[];
  private readonly datasets: CachedDataset[] = [];

  /** @param adapterBytes see `CacheFeaturesOptions`. @throws ArgumentError if the model does not begin with frozen layers */
  constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    private readonly adapterBytes: number,
  ) {
    if (!model.nested) {
      throw new ArgumentError(
        `${subject}: cacheFeatures runs some of the model's layers, but the class of ${model.title} overrides how they are called; ` +
          'put its computation into layers, or leave cacheFeatures out',
      );
    }
    this.calls = layerCalls(model.graph);
    this.cut = findCut(subject, this.calls, model.weights);
  }

  /**
   * The same data as features, which `compute` computes.
   * @throws ArgumentError for a stream and for augmented samples, which may differ in each epoch
   */
  add(subject: string, data: PreparedData, batchSize: number | null): PreparedData {
    const { source, samples } = data;
    if (!source || batchSize === null || source.augmented) {
      throw new ArgumentError(
        `${subject}: cacheFeatures computes the features of each sample once, but ` +
          `${source ? 'augmented samples are' : "a stream's samples may be"} different in each epoch; ` +
          `give ${source ? 'samples without augmentation' : 'them as { x, y } or a loader'}, or leave cacheFeatures out`,
      );
    }
    const { classes, targetShape = null } = source;
    const { shape } = this.calls[this.cut - 1]!;
    const features = new FeatureSource(source.device, samples!, shape, classes, targetShape);
    this.datasets.push({ data, source: features, batchSize });
    return data.withFeatures(features, this.cut);
  }

  /**
   * Computes the features of all samples.
   * @param report called a few times a second, and at the end
   * @throws AbortedError, OutOfMemoryError
   */
  async compute(signal: AbortSignal | undefined, report: (logs: FeatureLogs) => Promise<void>): Promise<void> {
    const startTime = performance.now();
    const samplesTotal = this.datasets.reduce((sum, { source }) => sum + source.size, 0);
    let [before, reported] = [0, startTime];
    const isDue = () => performance.now() - reported >= PROGRESS_INTERVAL_MS;
    const afterBatch = async (samples: number) => {
      const done = before + samples;
      if (done === samplesTotal || !isDue()) return; // the end is reported once, below
      const now = performance.now();
      reported = now;
      await report({ samples: done, samplesTotal, seconds: (now - startTime) / 1000 });
    };
    const weights = this.model.weights.slice(0, this.weightCount);
    const copies = (await areReplicasEqual(weights)) ? 1 : this.model.replicas;
    let bytesLeft = this.adapterBytes;
    for (const dataset of this.datasets) {
      const bytes = dataset.source.byteLength(copies);
      const fill = (where: 'adapter' | 'host') => this.fill(dataset, { copies, where, signal, isDue, afterBatch });
      if (bytes <= bytesLeft && (await fitsIntoMemory(() => fill('adapter')))) bytesLeft -= bytes;
      else await fill('host');
      before += dataset.source.size;
    }
    await report({ samples: samplesTotal, samplesTotal, seconds: (performance.now() - startTime) / 1000 });
  }

  /** Number of weights before the cut. They come first, because layers are in the order of their calls. */
  private get weightCount(): number {
    const before = this.calls.slice(0, this.cut);
    return Math.max(...before.map(({ firstWeight, weightCount }) => firstWeight + weightCount));
  }

  private async fill(
    { data, source, batchSize }: CachedDataset,
    {
      copies,
      where,
      signal,
      isDue,
      afterBatch,
    }: {
      copies: number;
      where: 'adapter' | 'host';
      signal: AbortSignal | undefined;
      isDue: () => boolean;
      afterBatch: (samples: number) => Promise<void>;
    },
  ): Promise<void> {
    const { model, cut } = this;
    const { device } = model;
    source.allocate(copies, where);
    const weights = model.weights.map(({ tensor }) => (copies < model.replicas ? firstReplicaOf(tensor) : tensor));
    // The outputs of each recorded program, by its batch size: there are at most two.
    const outputs = new Map<number, FeatureBatch>();
    const batches = new SourceBatches(
      data.source!,
      batchSize,
      ({ x, targets }) => {
        const y = scope(device, () => noGrad(() => callSubgraph(model, x, { to: cut }, { training: true, weights })));
        outputs.set(x.shape[0]!, { features: y.array, targets: targets!.array });
      },
      copies,
      data.range,
    );
    const throttle = new Throttle(device);
    try {
      for (let i = 0; i < batches.stepsPerEpoch; i++) {
        if (signal?.aborted) throw new AbortedError(`${this.subject}: stopped on request`);
        const count = batches.run(i);
        await source.store(outputs.get(count)!, i * batchSize);
        const waited = await throttle.afterStep(isDue());
        const { pendingSteps } = throttle;
        if (waited) await afterBatch(pendingSteps > 0 ? (i + 1 - pendingSteps) * batchSize : i * batchSize + count);
      }
      await device.sync();
    } finally {
      batches.dispose();
    }
  }

  dispose(): void {
    for (const { source } of this.datasets) source.dispose();
  }
}

/** @returns false if `fill` throws OutOfMemoryError */
async function fitsIntoMemory(fill: () => Promise<void>): Promise<boolean> {
  try {
    await fill();
    return true;
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    return false;
  }
}

/** A view of the first replica. */
function firstReplicaOf({ array }: Tensor): Tensor {
  const { device, shape, dtype, size, storage } = array;
  return new Tensor(new DeviceArray(device, shape, dtype, 1, storage.view(0, 4 * size)).keep());
}

/** Whether all replicas have the same weights, bit for bit. Waits for the GPU. */
async function areReplicasEqual(weights: readonly Weight[]): Promise<boolean> {
  for (const { tensor } of weights) {
    const { array, replicas, size } = tensor;
    if (replicas === 1) continue;
    const bits = new Uint32Array(await array.device.read(array.storage));
    for (let i = size; i < bits.length; i++) if (bits[i] !== bits[i % size]) return false;
  }
  return true;
}
