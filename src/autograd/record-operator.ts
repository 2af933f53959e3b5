import type { DeviceArray } from '../kernels/array.ts';
import type { Backward, Node } from './node.ts';
import { isTaped } from './tape.ts';
import { Tensor } from './tensor.ts';

/** Wraps the result of an operator in a tensor, recorded on the tape if an input requires a gradient. Every operator ends with it. */
export function recordOperator(
  output: DeviceArray,
  inputs: readonly Tensor[],
  backwardPass: Backward,
  { backwardOfOne, saved = [] }: Pick<Node, 'backwardOfOne' | 'saved'> = {},
): Tensor {
  const onTape = isTaped(inputs);
  if (!onTape) for (const array of saved) array.dispose();
  if (!onTape) return new Tensor(output);
  const versions = inputs.map(({ array }) => array.version);
  const { layer } = output.device.origin;
  return new Tensor(output, true, {
    inputs,
    backward: backwardPass,
    backwardOfOne,
    saved,
    versions,
    layer,
    released: false,
  });
}
