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

/** Data checked for a model: samples on the GPU or a stream, and how the loss takes its targets. */
export class PreparedData {
  private constructor(
    private readonly subject: string,
    private readonly model: Trainable,
    /** Null for a stream. */
    readonly source: BatchSource | null,
    private readonly stream: BatchStream | (() => BatchStream) | null,
    /** Null for a stream, whose first batch decides. */
    readonly encoding: TargetEncoding | null,
    /** The samples to use; undefined for all. */
    readonly range: { first: number; end: number } | undefined,
    /** Samples uploaded for this call only, disposed with it. */
    private readonly uploaded: ArrayLoader | null,
    /** Labels that the source stores as numbers: 0 and 1, for a model with one unit. */
    private readonly labels: ArrayLike<number> | null = null,
    /** Features that replace the samples, and the graph value of the model that they are. */
    private readonly features: { source: FeatureSource; startValue: number } | null = null,
  ) {}

  /** The same data with features instead of samples: see `FeatureCache`. The caller disposes `source`. */
  withFeatures(source: FeatureSource, startValue: number): PreparedData {
    const { subject, model, stream, encoding, range, labels } = this;
    return new PreparedData(subject, model, this.source, stream, encoding, range, null, labels, { source, startValue });
  }

  /** Graph value of the model that batches hold: 0, its input, unless they are features. */
  get startValue(): number {
    return this.features?.startValue ?? 0;
  }

  /** Checks data and uploads arrays. @throws ArgumentError, ShapeError, DataError if the data does not fit the model */
  static of(subject: string, model: Trainable, data: TrainingData): PreparedData {
    const { outputShape } = model;
    const target = { outputShape, loss: model.training.loss };
    const stream = streamOf(subject, data);
    if (stream) return new PreparedData(subject, model, null, stream, null, undefined, null);
    if (isSource(data)) {
      checkSource(subject, model, data);
      const encoding = encodingOfSource(subject, target, data);
      checkLabels(subject, data);
      if (encoding === 'values') checkTargetRange(subject, target, data.targetExtremes ?? []);
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
    const labels = target.loss.classifies && sameShape(outputShape, [1]) ? y : null;
    return new PreparedData(subject, model, loader, null, encoding, undefined, loader, labels);
  }

  /** Whether targets are numbers whose range the host does not know. */
  get unchecked(): boolean {
    return this.encoding === 'values' && !this.source?.targetExtremes;
  }

  /** Samples of a pass; null for a stream. */
  get samples(): number | null {
    if (!this.source) return null;
    return this.range ? this.range.end - this.range.first : this.source.size;
  }

  /**
   * Splits the samples in stored order, as Keras does: the last `fraction` of them is for validation, the rest for training.
   * @throws ArgumentError for streams and if one side is empty; DataError if all samples of a class are in the validation side
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
    const trainingSize = Math.floor(source.size * (1 - fraction));
    if (trainingSize === 0 || trainingSize === source.size) {
      throw new ArgumentError(
        `${subject}: validationSplit ${fraction} of ${source.size} samples leaves none for ${trainingSize === 0 ? 'training' : 'validation'}`,
      );
    }
    const { labels } = this;
    const { finalActivation, outputShape, training } = model;
    const byLabel = hasIndependentLabels(encoding ?? 'values', { finalActivation, outputShape, loss: training.loss });
    const rowsAreClasses = ((training.loss.classifies ?? false) || finalActivation === 'softmax') && !byLabel;
    const rows = rowsAreClasses ? source.oneHotClasses : null;
    checkSplit(subject, labels ?? source.labels ?? rows ?? null, trainingSize);
    const select = (first: number, end: number, uploaded: ArrayLoader | null) =>
      new PreparedData(subject, model, source, null, encoding, { first, end }, uploaded, labels);
    return [select(0, trainingSize, this.uploaded), select(trainingSize, source.size, null)];
  }

  /** The batch size to use; null for a stream. @throws ArgumentError */
  batchSize(requested: number | undefined): number | null {
    const { subject, samples } = this;
    if (samples !== null) return checkBatchSize(subject, samples, requested);
    if (requested === undefined) return null;
    throw new ArgumentError(`${subject}: a stream decides the size of its batches: leave out batchSize`);
  }

  /** Description that differs for other data, with checksums of samples. Waits for the GPU. */
  async describe(): Promise<StateValue> {
    const { source, range, labels } = this;
    if (!source) return 'a stream';
    return { ...(await describeSource(source, labels)), ...range };
  }

  /** Batches of the data, each a run of `step`. */
  createBatches(
    objective: { setTargetEncoding(subject: string, encoding: TargetEncoding): void },
    step: Step,
    { batchSize, limit }: { batchSize: number | null; limit: PassLimit },
  ): Batches {
    const { subject, model, source, stream, range, features } = this;
    if (features) return new SourceBatches(features.source, batchSize!, step, model.replicas);
    if (source) return new SourceBatches(source, batchSize!, step, model.replicas, range);
    const canRestart = typeof stream === 'function';
    const openStream = canRestart ? stream : () => stream!;
    const setTargetEncoding = (caller: string, encoding: TargetEncoding) =>
      objective.setTargetEncoding(caller, encoding);
    const continuesAcrossEpochs = !canRestart && !limit.isSinglePass && limit.batches !== undefined;
    return new StreamBatches(subject, model, openStream, setTargetEncoding, step, limit, continuesAcrossEpochs);
  }

  dispose(): void {
    this.uploaded?.dispose();
  }
}

/** @throws DataError if a label that the host knows is not a class: sources that users write may not check theirs */
function checkLabels(subject: string, { labels, classes }: BatchSource): void {
  if (!labels || classes === null) return;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (Number.isInteger(label) && label >= 0 && label < classes) continue;
    throw new DataError(
      `${subject}: label ${label} of sample ${i} is not one of the ${classes} classes 0 to ${classes - 1}`,
    );
  }
}

/** @throws DataError if a class has samples only after the first `trainingSize` */
function checkSplit(subject: string, labels: ArrayLike<number> | null, trainingSize: number): void {
  if (!labels) return;
  const all = Array.from(labels);
  if (!all.every(Number.isInteger)) return; // probabilities, not classes
  const trained = new Set(all.slice(0, trainingSize));
  const missing = all.slice(trainingSize).find((label) => !trained.has(label));
  if (missing !== undefined) {
    throw new DataError(
      `${subject}: validationSplit takes the last samples in stored order, and all samples of class ${missing} are among them. ` +
        'Shuffle the data first, or split it with trainTestSplit(set, { stratify: true }) and give validationData',
    );
  }
}
