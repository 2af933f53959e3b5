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

/** How `fit` keeps what the frozen layers give. */
export interface CacheFeaturesOptions {
  /** Bytes that features may take on the adapter; those of a data set beyond stay on the host, from where each batch is sent. Default 1 GiB. */
  adapterBytes?: number;
}

const ADAPTER_BYTES = 2 ** 30;
/** Milliseconds between reports. */
const PROGRESS_INTERVAL = 250;

/** The most bytes on the adapter; null where features are not to be kept. @throws ArgumentError */
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

/** A data set whose features are kept. */
interface Part {
  data: PreparedData;
  source: FeatureSource;
  batchSize: number;
}

/**
 * What the frozen beginning of a model gives for each sample, computed once for a training: the epochs then run the rest of the model alone,
 * with the random numbers that it draws in the whole model.
 */
export class FeatureCache {
  /** The value of the model that is kept: see `findCut`. */
  readonly cut: number;
  private readonly calls: readonly LayerCall[];
  private readonly parts: Part[] = [];

  /** @throws ArgumentError for a model that does not begin with frozen layers */
  constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    private readonly adapterBytes: number,
  ) {
    if (!model.nested) {
      throw new ArgumentError(
        `${subject}: cacheFeatures runs a part of the model's layers, but ${model.title} is of a class that calls them in a way of its own; ` +
          'put what it does into layers, or leave cacheFeatures out',
      );
    }
    this.calls = layerCalls(model.graph);
    this.cut = findCut(subject, this.calls, model.weights);
  }

  /**
   * The same data as features, which `compute` fills in.
   * @throws ArgumentError for a stream and for augmented samples, which may be others in each epoch
   */
  add(subject: string, data: PreparedData, batchSize: number | null): PreparedData {
    const { source, samples } = data;
    if (!source || batchSize === null || source.augmented) {
      throw new ArgumentError(
        `${subject}: cacheFeatures computes the features of each sample once, but ` +
          `${source ? 'augmented samples are' : "a stream's samples may be"} others in each epoch; ` +
          `give ${source ? 'samples as they are' : 'them as { x, y } or a loader'}, or leave cacheFeatures out`,
      );
    }
    const { classes, targetShape = null } = source;
    const { shape } = this.calls[this.cut - 1]!;
    const features = new FeatureSource(source.device, samples!, shape, classes, targetShape);
    this.parts.push({ data, source: features, batchSize });
    return data.withFeatures(features, this.cut);
  }

  /** Passes all samples through the frozen layers; `report` is called a few times a second, and at the end. @throws AbortedError, OutOfMemoryError */
  async compute(signal: AbortSignal | undefined, report: (logs: FeatureLogs) => Promise<void>): Promise<void> {
    const begun = performance.now();
    const samplesTotal = this.parts.reduce((sum, { source }) => sum + source.size, 0);
    let [before, reported] = [0, begun];
    const isDue = () => performance.now() - reported >= PROGRESS_INTERVAL;
    const afterBatch = async (samples: number) => {
      const done = before + samples;
      if (done === samplesTotal || !isDue()) return; // the end is reported below, once
      const now = performance.now();
      reported = now;
      await report({ samples: done, samplesTotal, seconds: (now - begun) / 1000 });
    };
    const weights = this.model.weights.slice(0, this.weightCount);
    const copies = (await areShared(weights)) ? 1 : this.model.replicas;
    let left = this.adapterBytes;
    for (const part of this.parts) {
      const bytes = part.source.bytes(copies);
      const fill = (where: 'adapter' | 'host') => this.fill(part, { copies, where, signal, isDue, afterBatch });
      if (bytes <= left && (await succeeds(() => fill('adapter')))) left -= bytes;
      else await fill('host');
      before += part.source.size;
    }
    await report({ samples: samplesTotal, samplesTotal, seconds: (performance.now() - begun) / 1000 });
  }

  /** Weights before the cut, which are the first: layers are counted as they are called. */
  private get weightCount(): number {
    const before = this.calls.slice(0, this.cut);
    return Math.max(...before.map(({ firstWeight, weightCount }) => firstWeight + weightCount));
  }

  private async fill(
    { data, source, batchSize }: Part,
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
    source.begin(copies, where);
    const weights = model.weights.map(({ tensor }) => (copies < model.replicas ? ofFirst(tensor) : tensor));
    // By the number of samples, of which there are two; they stay where a recorded program put them.
    const batches = new Map<number, FeatureBatch>();
    const runner = new SourceBatches(
      data.source!,
      batchSize,
      ({ x, targets }) => {
        const y = scope(device, () => noGrad(() => callSubgraph(model, x, { to: cut }, { training: true, weights })));
        batches.set(x.shape[0]!, { features: y.array, targets: targets!.array });
      },
      copies,
      data.range,
    );
    const throttle = new Throttle(device);
    try {
      for (let i = 0; i < runner.stepsPerEpoch; i++) {
        if (signal?.aborted) throw new AbortedError(`${this.subject}: stopped on request`);
        const count = runner.run(i);
        await source.store(batches.get(count)!, i * batchSize);
        const waited = await throttle.afterStep(isDue());
        const { pendingSteps } = throttle;
        if (waited) await afterBatch(pendingSteps > 0 ? (i + 1 - pendingSteps) * batchSize : i * batchSize + count);
      }
      await device.sync();
    } finally {
      runner.dispose();
    }
  }

  dispose(): void {
    for (const { source } of this.parts) source.dispose();
  }
}

/** @returns false where the adapter has no memory for it */
async function succeeds(fill: () => Promise<void>): Promise<boolean> {
  try {
    await fill();
    return true;
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    return false;
  }
}

/** The weights of the first replica alone. */
function ofFirst({ array }: Tensor): Tensor {
  const { device, shape, dtype, size, storage } = array;
  return new Tensor(new DeviceArray(device, shape, dtype, 1, storage.view(0, 4 * size)).keep());
}

/** Whether all replicas have the same weights, bit for bit. Waits for the GPU. */
async function areShared(weights: readonly Weight[]): Promise<boolean> {
  for (const { tensor } of weights) {
    const { array, models, size } = tensor;
    if (models === 1) continue;
    const bits = new Uint32Array(await array.device.read(array.storage));
    for (let i = size; i < bits.length; i++) if (bits[i] !== bits[i % size]) return false;
  }
  return true;
}
