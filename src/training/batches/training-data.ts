import type { Numbers } from '../../autograd/host-data.ts';
import { formatValue, tryRead } from '../../base/check.ts';
import { ArgumentError } from '../../base/errors.ts';
import type { BatchSource } from './batch-source.ts';

/** Samples and targets as numbers. */
export interface Arrays {
  /** Samples: nested lists or an array of shape [samples, ...inputShape], or all numbers in one flat array. */
  x: Numbers;
  /** Targets: a label for each sample, or numbers of shape [samples, ...outputShape]. */
  y: Numbers;
}

/** Batches that arrive one by one, each of any number of samples. */
export type BatchStream = AsyncIterable<Arrays> | Iterable<Arrays>;

/**
 * Data for `fit` and `evaluate`. For several epochs, pass a function that opens the stream again. A stream without an end may be passed
 * itself, with `stepsPerEpoch` (`validationSteps`, or `steps` of `evaluate`); each epoch continues where the previous one stopped. A call
 * closes the streams that it took batches from, and waits until they are closed.
 */
export type TrainingData = BatchSource | Arrays | BatchStream | (() => BatchStream);

export const isSource = (data: unknown, subject = 'data'): data is BatchSource =>
  tryRead(subject, () => typeof (data as BatchSource | null)?.batch === 'function');

const isIterable = (data: unknown): data is BatchStream =>
  typeof data === 'object' && data !== null && (Symbol.asyncIterator in data || Symbol.iterator in data);

/** A stream, or a function that opens one; null if `data` is neither. */
export function streamOf(subject: string, data: unknown): BatchStream | (() => BatchStream) | null {
  if (typeof data === 'function') return data as () => BatchStream;
  if (isSource(data, subject) || !isIterable(data) || Array.isArray(data) || ArrayBuffer.isView(data)) return null;
  return data;
}

/** @throws ArgumentError if samples and targets are separate arguments, as in Keras */
export function checkCombinedData(subject: string, data: unknown): void {
  if (isSource(data, subject) || typeof data !== 'object' || data === null || 'x' in data) return;
  const numbers = Array.isArray(data) || ArrayBuffer.isView(data) || ('shape' in data && !('images' in data));
  if (!numbers) return;
  const first = tryRead(subject, () => (Array.isArray(data) ? data[0] : null));
  const isListOfBatches = typeof first === 'object' && first !== null && 'x' in first;
  throw new ArgumentError(
    isListOfBatches
      ? `${subject}: to train on a list of batches, pass a function that returns it: () => batches`
      : `${subject}: takes samples and targets together, as { x, y }, where Keras has (x, y); was given ${formatValue(data)} first`,
  );
}
