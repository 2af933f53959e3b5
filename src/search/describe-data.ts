import { type Numbers, readNumbers, toNumber } from '../autograd/host-data.ts';
import { crc32c } from '../base/crc32c.ts';
import { type Arrays, isSource, type TrainingData } from '../training/batches/training-data.ts';
import { describeSource } from '../training/state/run-description.ts';

/** Number of evenly spaced elements of an array that its checksum covers. */
const SAMPLED_VALUES = 2 ** 16;

/**
 * Identifies the data of a search in one line: sizes, and checksums of some of the samples. A stream is not read. Waits for the GPU.
 */
export async function describeData(data: TrainingData): Promise<string> {
  if (isSource(data)) {
    const { size, sampleShape, labels, samples } = await describeSource(data);
    return `${size} samples [${sampleShape}], checksum ${checksumOf([labels, samples])}`;
  }
  if (typeof data === 'object' && data !== null && 'x' in data && 'y' in data) {
    const { x, y } = data as Arrays;
    const parts = [describeNumbers(x), describeNumbers(y)];
    return `x ${parts[0]!.text}, y ${parts[1]!.text}, checksum ${checksumOf(parts.map(({ checksum }) => checksum))}`;
  }
  return 'a stream';
}

function describeNumbers(numbers: Numbers): { text: string; checksum: number } {
  const { flat, shape } = readNumbers('search: data', numbers);
  const count = Math.min(flat.length, SAMPLED_VALUES);
  const values = Float64Array.from({ length: count }, (_, i) => {
    return toNumber(flat, Math.floor((i * flat.length) / count)) ?? Number.NaN;
  });
  return { text: `[${shape ?? flat.length}]`, checksum: crc32c(new Uint8Array(values.buffer)) };
}

const checksumOf = (value: unknown) =>
  crc32c(new TextEncoder().encode(JSON.stringify(value)))
    .toString(16)
    .padStart(8, '0');
