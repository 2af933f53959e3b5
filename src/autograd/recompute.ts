import { type DeviceArray, withScope } from '../kernels/array.ts';
import type { GradRequest } from './node.ts';
import { recordOperator } from './record-operator.ts';
import { isTaped, leafGradients, repeatForward } from './tape.ts';
import { Tensor } from './tensor.ts';

/**
 * Runs `body` and keeps only its result: the backward pass runs it again for the arrays that its gradients need. This is activation
 * checkpointing (Chen et al. 2016, https://arxiv.org/abs/1604.06174), in PyTorch `torch.utils.checkpoint`. Results and gradients have the
 * bits of `body(inputs)` if `body` computes the same from the same inputs each time.
 * @param inputs all tensors with a gradient that `body` uses
 * @param body is given tensors with the values of `inputs`, and must use those
 */
export function recompute(inputs: readonly Tensor[], body: (inputs: readonly Tensor[]) => Tensor): Tensor {
  if (!isTaped(inputs)) return body(inputs);
  const { device } = inputs[0]!;
  let isReluOutput = false;
  let hasGrad = false;
  const output = withScope(
    device,
    () => {
      // On the tape as in the repetition, because some kernels depend on that: see src/nn/graph/fusion.ts.
      const y = body(leavesOf(inputs));
      ({ isReluOutput, requiresGrad: hasGrad } = y);
      return inputs.some(({ array }) => array === y.array) ? y.array.reshape(y.shape) : y.array;
    },
    (array) => [array],
  );
  if (!hasGrad) return new Tensor(output);
  const result = recordOperator(output, inputs, (dout, request) =>
    withScope(
      device,
      () => {
        const leaves = leavesOf(inputs, request);
        const y = repeatForward(() => body(leaves));
        const dy = dout.reshape(dout.shape);
        if (dout.appliedReluMask === output) dy.appliedReluMask = y.array;
        const grads = leafGradients(y, dy);
        return leaves.map((leaf) => {
          const grad = grads.get(leaf) ?? null;
          return grad === dy ? dout : grad;
        });
      },
      (grads) => grads.filter((grad): grad is DeviceArray => grad !== null),
    ),
  );
  result.isReluOutput = isReluOutput;
  return result;
}

/** Leaves with the memory of `inputs`. @param request which of them need a gradient, and where to write it; default all that have one */
function leavesOf(inputs: readonly Tensor[], request?: GradRequest): Tensor[] {
  return inputs.map((input, i) => {
    const leaf = new Tensor(input.array, request ? request.needsGrad(i) : input.requiresGrad);
    leaf.isReluOutput = input.isReluOutput;
    leaf.gradBuffer = request?.into(i) ?? null;
    return leaf;
  });
}
