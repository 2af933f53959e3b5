import { type Numbers, readNumbers, toNumber } from '../autograd/host-data.ts';
import { crc32c } from '../base/crc32c.ts';
import { type Arrays, isSource, type TrainingData } from '../training/batches/training-data.ts';
import { describeSource } from '../training/state/run-description.ts';

/** Numbers of an array that are looked at, spread over it. */
const SAMPLED_VALUES = 2 ** 16;

/**
 * What tells the data of a search from other data, in one line: sizes, and checksums of some of the samples. Data that come as a stream
 * are not looked at. Waits for the GPU.
 */
export async function describeData(data: TrainingData): Promise<string> {
  if (isSource(data)) {
    const { size, sampleShape, labels, samples } = await describeSource(data);
    return `${size} samples [${sampleShape}], checksum ${sumOf([labels, samples])}`;
  }
  if (typeof data === 'object' && data !== null && 'x' in data && 'y' in data) {
    const { x, y } = data as Arrays;
    const parts = [describeNumbers(x), describeNumbers(y)];
    return `x ${parts[0]!.text}, y ${parts[1]!.text}, checksum ${sumOf(parts.map(({ sum }) => sum))}`;
  }
  return 'a stream';
}

function describeNumbers(numbers: Numbers): { text: string; sum: number } {
  const { flat, shape } = readNumbers('search: data', numbers);
  const count = Math.min(flat.length, SAMPLED_VALUES);
  const values = Float64Array.from({ length: count }, (_, i) => {
    return toNumber(flat, Math.floor((i * flat.length) / count)) ?? Number.NaN;
  });
  return { text: `[${shape ?? flat.length}]`, sum: crc32c(new Uint8Array(values.buffer)) };
}

const sumOf = (value: unknown) =>
  crc32c(new TextEncoder().encode(JSON.stringify(value)))
    .toString(16)
    .padStart(8, '0');
