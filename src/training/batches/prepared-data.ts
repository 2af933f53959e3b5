import { formatValue } from '../../base/check.ts';
import { ArgumentError, DataError } from '../../base/errors.ts';
import { sameShape } from '../../kernels/array.ts';
import type { FeatureSource } from '../features/feature-source.ts';
import { describeSource } from '../state/run-description.ts';
import type { StateValue } from '../state/training-state.ts';
import type { Trainable } from '../trainable.ts';
import { ArrayLoader } from './array-loader.ts';
import type { BatchSource } from './batch-source.ts';
import {
  type Batches,
  checkBatchSize,
  checkSource,
  type PassLimit,
  readBatch,
  SourceBatches,
  type Step,
} from './source-batches.ts';
import { StreamBatches } from './stream-batches.ts';
import { checkTargetRange, encodingOfSource, hasIndependentLabels, type TargetEncoding } from './targets.ts';
import { type BatchStream, checkCombinedData, isSource, streamOf, type TrainingData } from './training-data.ts';

/** Data made ready for a model: on the GPU or as a stream, with what its targets are to the loss. */
export class PreparedData {
  private constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    /** Null for a stream. */
    readonly source: BatchSource | null,
    private readonly stream: BatchStream | (() => BatchStream) | null,
    /** Null for a stream until its first batch came. */
    readonly encoding: TargetEncoding | null,
    /** The samples that take part, where not all do. */
    readonly range: { first: number; end: number } | undefined,
    /** What goes to the GPU for this call alone. */
    private readonly owned: ArrayLoader | null,
    /** Labels that the source does not know as such: what one unit that tells two classes is to give. */
    private readonly labels: ArrayLike<number> | null = null,
    /** What goes through the model instead of the samples, and from which of its values on. */
    private readonly features: { source: FeatureSource; from: number } | null = null,
  ) {}

  /** The same data, of which the model gets the features: see `FeatureCache`. They belong to the caller. */
  withFeatures(source: FeatureSource, from: number): PreparedData {
    const { subject, model, stream, encoding, range, labels } = this;
    return new PreparedData(subject, model, this.source, stream, encoding, range, null, labels, { source, from });
  }

  /** The value of the model that batches are: 0, its input, unless they are features. */
  get from(): number {
    return this.features?.from ?? 0;
  }

  /** Arrays go to the GPU here. @throws ArgumentError, ShapeError, DataError for what does not suit the model */
  static of(subject: string, model: Trainable, data: TrainingData): PreparedData {
    const { outputShape } = model;
    const goal = { outputShape, loss: model.training.loss };
    const stream = streamOf(subject, data);
    if (stream) return new PreparedData(subject, model, null, stream, null, undefined, null);
    if (isSource(data)) {
      checkSource(subject, model, data);
      const encoding = encodingOfSource(subject, goal, data);
      checkLabels(subject, data);
      if (encoding === 'values') checkTargetRange(subject, goal, data.targetExtremes ?? []);
      return new PreparedData(subject, model, data, null, encoding, undefined, null);
    }
    checkCombinedData(subject, data);
    if (typeof data !== 'object' || data === null || !('x' in data) || !('y' in data)) {
      throw new ArgumentError(
        `${subject}: takes { x, y }, a loader such as an ImageLoader, or a stream of batches, but was given ${formatValue(data)}` +
          (typeof data === 'object' && data !== null && 'images' in data ? '; make an ImageLoader of it' : ''),
      );
    }
    const { x, y, encoding } = readBatch(subject, model, data);
    const targets = encoding === 'values' ? { targetShape: outputShape } : { classes: outputShape[0]! };
    const loader = new ArrayLoader(model.device, { x, y, shape: model.inputShape, ...targets });
    const labels = goal.loss.classifies && sameShape(outputShape, [1]) ? y : null;
    return new PreparedData(subject, model, loader, null, encoding, undefined, loader, labels);
  }

  /** Whether targets are numbers that the host has not looked at. */
  get unchecked(): boolean {
    return this.encoding === 'values' && !this.source?.targetExtremes;
  }

  /** Samples of a pass; null where a stream decides. */
  get samples(): number | null {
    if (!this.source) return null;
    return this.range ? this.range.end - this.range.first : this.source.size;
  }

  /**
   * The first part for training, and the last `fraction` of the samples as they lie for validation, as Keras splits.
   * @throws ArgumentError for a fraction that leaves one of them empty, and for streams; DataError for a class that is only in the last part
   */
  split(fraction: number): [PreparedData, PreparedData] {
    const { subject, model, source, encoding } = this;
    if (!(typeof fraction === 'number' && fraction > 0 && fraction < 1)) {
      throw new ArgumentError(
        `${subject}: validationSplit must be above 0 and below 1, such as 0.2, but is ${formatValue(fraction)}`,
      );
    }
    if (!source) {
      throw new ArgumentError(`${subject}: a stream cannot be split: give validationData instead of validationSplit`);
    }
    const at = Math.floor(source.size * (1 - fraction));
    if (at === 0 || at === source.size) {
      throw new ArgumentError(
        `${subject}: validationSplit ${fraction} of ${source.size} samples leaves none for ${at === 0 ? 'training' : 'validation'}`,
      );
    }
    const { labels } = this;
    const { finalActivation, outputShape, training } = model;
    const byLabel = hasIndependentLabels(encoding ?? 'values', { finalActivation, outputShape, loss: training.loss });
    const rowsAreClasses = ((training.loss.classifies ?? false) || finalActivation === 'softmax') && !byLabel;
    const rows = rowsAreClasses ? source.oneHotClasses : null;
    checkSplit(subject, labels ?? source.labels ?? rows ?? null, at);
    const part = (first: number, end: number, owned: ArrayLoader | null) =>
      new PreparedData(subject, model, source, null, encoding, { first, end }, owned, labels);
    return [part(0, at, this.owned), part(at, source.size, null)];
  }

  /** The batch size to use. @throws ArgumentError */
  batchSize(asked: number | undefined): number | null {
    const { subject, samples } = this;
    if (samples !== null) return checkBatchSize(subject, samples, asked);
    if (asked === undefined) return null;
    throw new ArgumentError(`${subject}: a stream's batches are as large as they come: leave out batchSize`);
  }

  /** What tells it from other data. Waits for the GPU. */
  async describe(): Promise<StateValue> {
    const { source, range, labels } = this;
    if (!source) return 'a stream';
    return { ...(await describeSource(source, labels)), ...range };
  }

  feed(
    objective: { setTargetEncoding(subject: string, encoding: TargetEncoding): void },
    step: Step,
    { batchSize, bound }: { batchSize: number | null; bound: PassLimit },
  ): Batches & { setOrders?(orders: readonly Uint32Array[]): void } {
    const { subject, model, source, stream, range } = this;
    const { features } = this;
    if (features) return new SourceBatches(features.source, batchSize!, step, model.replicas);
    if (source) return new SourceBatches(source, batchSize!, step, model.replicas, range);
    const canRestart = typeof stream === 'function';
    const openStream = canRestart ? stream : () => stream!;
    const setTargetEncoding = (caller: string, encoding: TargetEncoding) =>
      objective.setTargetEncoding(caller, encoding);
    const continuesAcrossEpochs = !canRestart && !bound.once && bound.count !== undefined;
    return new StreamBatches(subject, model, openStream, setTargetEncoding, step, bound, continuesAcrossEpochs);
  }

  dispose(): void {
    this.owned?.dispose();
  }
}

/** @throws DataError for a label that the host knows and that is none of the classes: a source of the user's own may not have looked */
function checkLabels(subject: string, { labels, classes }: BatchSource): void {
  if (!labels || classes === null) return;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (Number.isInteger(label) && label >= 0 && label < classes) continue;
    throw new DataError(
      `${subject}: label ${label} of sample ${i} is none of the ${classes} classes 0 to ${classes - 1}`,
    );
  }
}

/** @throws DataError for a class of which every sample lies in the last part */
function checkSplit(subject: string, labels: ArrayLike<number> | null, at: number): void {
  if (!labels) return;
  const all = Array.from(labels);
  if (!all.every(Number.isInteger)) return; // probabilities, not classes
  const trained = new Set(all.slice(0, at));
  const missing = all.slice(at).find((label) => !trained.has(label));
  if (missing !== undefined) {
    throw new DataError(
      `${subject}: validationSplit takes the last samples as they lie, and every sample of class ${missing} is among them. ` +
        'Shuffle the data first, or split it with trainTestSplit(set, { stratify: true }) and give validationData',
    );
  }
}
