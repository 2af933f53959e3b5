import type { Tensor } from '../../autograd/tensor.ts';
import type { Device } from '../../gpu/device.ts';
import { DeviceArray } from '../../kernels/array.ts';
import { accumulateLoss, accumulateMetrics, readTotals, TOTALS_WORDS } from '../../kernels/metrics/metrics.ts';
import { MOMENTS_WORDS, type Moments, readMoments } from '../../kernels/reduce/moments.ts';

/** Bindings begin at multiples of 256 bytes. */
const aligned = (bytes: number) => Math.ceil(bytes / 256) * 256;
const SUMS_BYTES = 4 * TOTALS_WORDS;

/** What was added by the steps submitted so far, of one replica. */
export interface EpochTotals {
  /** Mean over the samples. */
  loss: number;
  /** Share of hits; only for those who gave hits. */
  accuracy: number;
  samples: number;
  counts: Uint32Array;
  /** Means over the samples, in the order of `addMean`. */
  means: number[];
  /** Of each column of outputs. */
  moments: Moments[];
}

/** What is counted besides losses, hits and samples. */
export interface TotalsSize {
  /** u32 words of counts. */
  countSize?: number;
  /** Means over the samples. */
  means?: number;
  /** Columns of outputs whose moments are kept. */
  columns?: number;
}

/** A range of the totals: bytes before it, and u32 words of each replica. */
interface Part {
  offset: number;
  size: number;
}

/** Running sums of losses, and exact counts of samples, hits and more, on the GPU. Steps add to them; the host reads them when it likes. */
export class RunningTotals {
  /** All u32, in one buffer, so that one read-back brings everything: the sums of all replicas, then their counts, and so on. */
  private readonly buffer: DeviceArray;
  private readonly sums: DeviceArray;
  /** u32 [words] of each replica, for metrics to add to. */
  readonly counts: DeviceArray;
  /** u32 [columns * MOMENTS_WORDS] of each replica, for `accumulateMoments`. */
  readonly moments: DeviceArray;
  private readonly means: readonly DeviceArray[];
  private readonly places: { counts: Part; means: readonly Part[]; moments: Part };
  private readonly bytes: number;

  constructor(
    private readonly device: Device,
    private readonly replicas: number,
    { countSize = 0, means = 0, columns = 0 }: TotalsSize = {},
  ) {
    let end = SUMS_BYTES * replicas;
    const place = (size: number): Part => {
      const offset = size > 0 ? aligned(end) : 0;
      if (size > 0) end = offset + 4 * size * replicas;
      return { offset, size };
    };
    this.places = {
      counts: place(countSize),
      means: Array.from({ length: means }, () => place(TOTALS_WORDS)),
      moments: place(columns * MOMENTS_WORDS),
    };
    this.bytes = end;
    this.buffer = DeviceArray.empty(device, [this.bytes / 4]).keep('totals of loss and metrics');
    const part = ({ offset, size }: Part) => {
      const storage = this.buffer.storage.view(offset, 4 * size * replicas);
      return new DeviceArray(device, [size], 'u32', replicas, storage).keep();
    };
    this.sums = part({ offset: 0, size: TOTALS_WORDS });
    this.counts = part(this.places.counts);
    this.means = this.places.means.map(part);
    this.moments = part(this.places.moments);
    this.reset();
  }

  reset(): void {
    this.device.upload(this.buffer.storage, new Float32Array(this.bytes / 4));
  }

  /** Dispatches the addition of a batch of `rows` samples: its mean loss [] and, where they are counted, its hits [N]. */
  add(loss: Tensor, hits: Tensor | null, rows: number): void {
    if (hits) accumulateMetrics(loss.array, hits.array, this.sums);
    else accumulateLoss(loss.array, rows, this.sums);
  }

  /** Dispatches the addition of a batch of `rows` samples to mean number `i`: its mean []. */
  addMean(i: number, mean: Tensor, rows: number): void {
    accumulateLoss(mean.array, rows, this.means[i]!);
  }

  /** Waits for the steps submitted so far. @returns the sums of each replica */
  async read(): Promise<EpochTotals[]> {
    const bytes = await this.device.read(this.buffer.storage);
    const { counts, means, moments } = this.places;
    return Array.from({ length: this.replicas }, (_, r) => {
      const wordsOf = ({ offset, size }: Part) => new Uint32Array(bytes, offset + 4 * size * r, size);
      const meanOf = (part: Part) => {
        const { loss, samples } = readTotals(wordsOf(part));
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

  /** The sums and counts as they lie on the GPU. */
  async save(): Promise<Uint32Array<ArrayBuffer>> {
    return new Uint32Array(await this.device.read(this.buffer.storage));
  }

  /** Numbers that `save` returns. */
  get bufferSize(): number {
    return this.buffer.storage.bytes / 4;
  }

  /** Goes on from what `save` returned. */
  load(words: Uint32Array<ArrayBuffer>): void {
    this.device.upload(this.buffer.storage, words);
  }

  dispose(): void {
    this.buffer.dispose();
  }
}
