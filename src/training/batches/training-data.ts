import type { Numbers } from '../../autograd/host-data.ts';
import { formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { BatchSource } from './batch-source.ts';

/**
 * Samples as numbers: `x` as lists in lists or an array of shape [samples, ...inputShape], or the numbers of all samples in a row;
 * `y` a label for each or as many numbers for each as the model has outputs.
 */
export interface Arrays {
  /** The samples. */
  x: Numbers;
  /** The targets. */
  y: Numbers;
}

/** Batches that come one by one, each with as many samples as it likes. */
export type BatchStream = AsyncIterable<Arrays> | Iterable<Arrays>;

/**
 * What `fit` and `evaluate` take. A stream for several epochs is given as a function that begins it anew; one that has no end
 * may be given itself, with `stepsPerEpoch` (`validationSteps`, or `steps` of `evaluate`), and each epoch goes on where the one
 * before stopped. A call closes the streams it took from, and waits until they are closed.
 */
export type TrainingData = BatchSource | Arrays | BatchStream | (() => BatchStream);

export const isSource = (data: unknown, subject = 'data'): data is BatchSource =>
  tryRead(subject, () => typeof (data as BatchSource | null)?.batch === 'function');

const isIterable = (data: unknown): data is BatchStream =>
  typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || Symbol.iterator in data);

/** Something to go through once, or a function that begins it; null for what is no stream. */
export function streamOf(subject: string, data: unknown): BatchStream | (() => BatchStream) | null {
  if (typeof data === 'function') return data as () => BatchStream;
  if (isSource(data, subject) || !isIterable(data) || Array.isArray(data) || ArrayBuffer.isView(data)) return null;
  return data;
}

/** @throws ArgumentError for samples and targets handed over one after another, as Keras takes them */
export function checkCombinedData(subject: string, data: unknown): void {
  if (isSource(data, subject) || typeof data !== 'object' || data === null || 'x' in data) return;
  const numbers = Array.isArray(data) || ArrayBuffer.isView(data) || ('shape' in data && !('images' in data));
  if (!numbers) return;
  const first = tryRead(subject, () => (Array.isArray(data) ? data[0] : null));
  const batches = typeof first === 'object' && first !== null && 'x' in first;
  throw new ArgumentError(
    batches
      ? `${subject}: a list of batches is a stream when a function begins it: give () => batches`
      : `${subject}: takes samples and targets together, as { x, y }, where Keras has (x, y); was given ${formatValue(data)} first`,
  );
}
