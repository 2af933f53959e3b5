import type { Tensor } from '../../autograd/tensor.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { accumulateLoss, accumulateMetrics, readTotals, TOTALS_WORDS } from '../../kernels/metrics/metrics.ts';
import { MOMENTS_WORDS, type Moments, readMoments } from '../../kernels/reduce/moments.ts';

/** Rounds up to 256 bytes, the alignment of bindings. */
const align = (bytes: number) => Math.ceil(bytes / 256) * 256;
const SUMS_BYTES = 4 * TOTALS_WORDS;

/** Totals of one replica over the steps submitted so far. */
export interface EpochTotals {
  /** Mean over the samples. */
  loss: number;
  /** Share of hits among the samples; 0 if no hits were added. */
  accuracy: number;
  samples: number;
  /** Counts of the metrics. */
  counts: Uint32Array;
  /** Means over the samples, by the number given to `addMean`. */
  means: number[];
  /** Moments of each column of outputs. */
  moments: Moments[];
}

/** What is counted in addition to losses, hits and samples. Default: nothing. */
export interface TotalsSize {
  /** u32 words of counts of each replica. */
  countSize?: number;
  /** Number of means. */
  means?: number;
  /** Columns of outputs whose moments are added up. */
  columns?: number;
}

/** A range of the buffer. */
interface BufferRange {
  /** Bytes before it. */
  offset: number;
  /** u32 words of each replica. */
  size: number;
}

/** Sums of losses and exact counts of samples, hits and metrics on the GPU. Steps add to them; the host can read them at any time. */
export class RunningTotals {
  /** One buffer, so that there is one read-back: the sums of all replicas, then their counts, means and moments. */
  private readonly buffer: DeviceArray;
  private readonly sums: DeviceArray;
  /** u32 [countSize] of each replica, for metrics to add to. */
  readonly counts: DeviceArray;
  /** u32 [columns * MOMENTS_WORDS] of each replica, for `accumulateMoments`. */
  readonly moments: DeviceArray;
  private readonly means: readonly DeviceArray[];
  private readonly ranges: { counts: BufferRange; means: readonly BufferRange[]; moments: BufferRange };
  private readonly bytes: number;

  constructor(
    private readonly device: Device,
    private readonly replicas: number,
    { countSize = 0, means = 0, columns = 0 }: TotalsSize = {},
  ) {
    let end = SUMS_BYTES * replicas;
    const reserve = (size: number): BufferRange => {
      const offset = size > 0 ? align(end) : 0;
      if (size > 0) end = offset + 4 * size * replicas;
      return { offset, size };
    };
    this.ranges = {
      counts: reserve(countSize),
      means: Array.from({ length: means }, () => reserve(TOTALS_WORDS)),
      moments: reserve(columns * MOMENTS_WORDS),
    };
    this.bytes = end;
    this.buffer = DeviceArray.empty(device, [this.bytes / 4]).keep('totals of loss and metrics');
    const viewOf = ({ offset, size }: BufferRange) => {
      const storage = this.buffer.storage.view(offset, 4 * size * replicas);
      return new DeviceArray(device, [size], 'u32', replicas, storage).keep();
    };
    this.sums = viewOf({ offset: 0, size: TOTALS_WORDS });
    this.counts = viewOf(this.ranges.counts);
    this.means = this.ranges.means.map(viewOf);
    this.moments = viewOf(this.ranges.moments);
    this.reset();
  }

  reset(): void {
    this.device.upload(this.buffer.storage, new Float32Array(this.bytes / 4));
  }

  /** Dispatches the addition of a batch. @param loss mean loss []. @param hits hits [N]; null if not counted. @param rows samples N */
  add(loss: Tensor, hits: Tensor | null, rows: number): void {
    if (hits) accumulateMetrics(loss.array, hits.array, this.sums);
    else accumulateLoss(loss.array, rows, this.sums);
  }

  /** Dispatches the addition of the mean [] of a batch of `rows` samples to mean `i`. */
  addMean(i: number, mean: Tensor, rows: number): void {
    accumulateLoss(mean.array, rows, this.means[i]!);
  }

  /** Reads the totals of each replica. Waits for the steps submitted so far. */
  async read(): Promise<EpochTotals[]> {
    const bytes = await this.device.read(this.buffer.storage);
    const { counts, means, moments } = this.ranges;
    return Array.from({ length: this.replicas }, (_, r) => {
      const wordsOf = ({ offset, size }: BufferRange) => new Uint32Array(bytes, offset + 4 * size * r, size);
      const meanOf = (range: BufferRange) => {
        const { loss, samples } = readTotals(wordsOf(range));
        return loss / Math.max(1, samples);
      };
      const { hits, samples } = readTotals(wordsOf({ offset: 0, size: TOTALS_WORDS }));
      const columns = wordsOf(moments);
      return {
        loss: meanOf({ offset: 0, size: TOTALS_WORDS }),
        accuracy: hits / Math.max(1, samples),
        samples,
        counts: wordsOf(counts),
        means: means.map(meanOf),
        moments: Array.from({ length: moments.size / MOMENTS_WORDS }, (_, c) =>
          readMoments(columns.subarray(MOMENTS_WORDS * c, MOMENTS_WORDS * (c + 1))),
        ),
      };
    });
  }

  /** The whole buffer, for a backup. Waits for the GPU. */
  async save(): Promise<Uint32Array<ArrayBuffer>> {
    return new Uint32Array(await this.device.read(this.buffer.storage));
  }

  /** Number of words that `save` returns. */
  get bufferSize(): number {
    return this.buffer.storage.bytes / 4;
  }

  /** Restores the words that `save` returned. */
  load(words: Uint32Array<ArrayBuffer>): void {
    this.device.upload(this.buffer.storage, words);
  }

  dispose(): void {
    this.buffer.dispose();
  }
}
