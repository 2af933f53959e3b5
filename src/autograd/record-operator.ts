import type { DeviceArray } from '../kernels/array.ts';
import type { Backward, Node } from './node.ts';
import { isTaped } from './tape.ts';
import { Tensor } from './tensor.ts';

/** The result of an operator as a tensor; on the tape when an input needs a gradient. Every operator ends with this. */
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
