import { OutOfMemoryError, ShaderError } from '../base/errors.ts';
import { RandomStream } from '../base/random.ts';
import type { Device } from '../gpu/device.ts';
import { type Choice, choiceKey } from '../gpu/kernel-selection.ts';
import type { Program } from '../gpu/recorder.ts';
import { DeviceArray } from '../kernels/array.ts';
import { tunables } from '../kernels/tunables.ts';
import { type Measurement, toleranceOf, type VariantBenchmark } from './tune.ts';

/**
 * An operator at certain sizes, for which the tuner selects a variant.
 * @interface
 */
export type Problem = Pick<Choice, 'operator' | 'sizes'>;

export const problemKey = ({ operator, sizes }: Problem): string => choiceKey(operator, sizes);

/** The problem's variants that support this adapter, the reference first. */
export function supportedVariants(device: Device, { operator, sizes }: Problem): string[] {
  const tunable = tunables[operator]!;
  return tunable.variants.filter((variant) => tunable.supports(variant, device, sizes));
}

/** Number of random values before they repeat, for speed; a prime, so that they do not line up with any axis. */
const PERIOD = 65_537;

/** Random values in -1 .. 1, the same in every call. */
function randomArray(device: Device, shape: readonly number[], stream: number): DeviceArray {
  const array = DeviceArray.empty(device, shape).keep();
  const random = new RandomStream(stream, 'initializer', 0);
  const values = Float32Array.from({ length: Math.min(PERIOD, array.size) }, () => 2 * random.uniform() - 1);
  device.upload(
    array.storage,
    Float32Array.from({ length: array.size }, (_, i) => values[i % PERIOD]!),
  );
  return array;
}

/** Labels 0, 1, .. below a number, repeated. */
function labelArray(device: Device, shape: readonly number[], below: number): DeviceArray {
  const array = DeviceArray.empty(device, shape, { dtype: 'u32' }).keep();
  device.upload(
    array.storage,
    Uint32Array.from({ length: array.size }, (_, i) => i % below),
  );
  return array;
}

/** Whether the adapter refused a kernel or an array, which leaves the device usable. */
export const isRefusal = (error: unknown): error is ShaderError | OutOfMemoryError =>
  error instanceof ShaderError || error instanceof OutOfMemoryError;

/** First line of a message; messages of shader errors also show the shader text. */
export const reasonOf = (error: Error): string => error.message.split('\n')[0]!;

/** Records a variant of an operator as a program. @throws ShaderError, OutOfMemoryError if the adapter refuses it */
async function recordVariant(device: Device, run: () => void): Promise<Program> {
  const program = device.record(run);
  try {
    await device.ready();
    return program;
  } catch (error) {
    program.dispose();
    throw error;
  }
}

/**
 * Runs `body` with the variants of an operator, ready to be checked and timed on a device. Variants whose kernels the adapter refuses, or that
 * need too large arrays, are rejected.
 * @throws ShaderError, OutOfMemoryError if the adapter refuses the reference or the operator's arrays: there is nothing to compare with
 */
export async function withVariantBenchmark<T>(
  device: Device,
  problem: Problem,
  body: (bench: VariantBenchmark) => Promise<T>,
): Promise<T> {
  const { operator, sizes } = problem;
  const tunable = tunables[operator]!;
  const arrays: DeviceArray[] = [];
  const track = (array: DeviceArray) => {
    arrays.push(array);
    return array;
  };
  const programs = new Map<string, Program>();
  const rejected: Measurement['rejected'] = [];
  try {
    const shapes = tunable.inputs(sizes);
    const labels = tunable.labels?.(sizes);
    const inputs = shapes.map((shape, i) =>
      track(
        labels !== undefined && i === shapes.length - 1
          ? labelArray(device, shape, labels)
          : randomArray(device, shape, i + 1),
      ),
    );
    const into = track(DeviceArray.empty(device, tunable.output(sizes)).keep());
    const poison = new Float32Array(into.size).fill(Number.NaN);
    for (const variant of supportedVariants(device, problem)) {
      try {
        programs.set(variant, await recordVariant(device, () => tunable.run(variant, sizes, inputs, into)));
      } catch (error) {
        if (variant === tunable.variants[0] || !isRefusal(error)) throw error;
        rejected.push({ variant, reason: reasonOf(error) });
      }
    }
    return await body({
      variants: [...programs.keys()],
      rejected,
      tolerance: toleranceOf(tunable.sumLength(sizes)),
      async result(variant) {
        device.upload(into.storage, poison); // elements that a kernel does not write must not keep an earlier result
        programs.get(variant)!.run();
        return new Float32Array(await device.read(into.storage));
      },
      async time(variant, times) {
        const program = programs.get(variant)!;
        const begun = performance.now();
        program.run(times);
        await device.idle(true); // busy wait: the sleeps of `sync` would be 8% of a variant's time
        const took = performance.now() - begun;
        await device.sync(); // throws errors of the run
        return took;
      },
    });
  } finally {
    for (const program of programs.values()) program.dispose();
    for (const array of arrays) array.dispose();
  }
}
