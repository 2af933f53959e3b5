import loadVec4Code from '../../../shaders/optimizers/load_vec4.wgsl';
import penaltyBlocksCode from '../../../shaders/optimizers/penalty_blocks.wgsl';
import penaltyGradientCode from '../../../shaders/optimizers/penalty_gradient.wgsl';
import { DeviceArray } from '../array.ts';
import { sumAll } from '../reduce/reduce.ts';
import { elementwiseWorkgroups, runKernel } from '../run.ts';
import { type Update, updateKernel } from './optimizer.ts';

/**
 * The sum of the penalties l1 sum|w| + l2 sum w^2 of `blocks` blocks of a flat buffer, from block `first` on -> []. Memory-bound.
 * @param table u32 [entries, 4] for each replica, an entry for each block: first element, count, and the bits of l1 and l2
 */
export function penaltyValue(
  flat: DeviceArray,
  table: DeviceArray,
  { first, blocks }: { first: number; blocks: number },
): DeviceArray {
  const { device, replicas } = table;
  const partial = DeviceArray.empty(device, [blocks], { replicas });
  const source = { name: 'penalty_blocks', code: loadVec4Code + penaltyBlocksCode };
  const cost = { bytes: 4 * flat.size };
  runKernel(
    device,
    source,
    [blocks, first, table.shape[0]!],
    [flat, table, partial],
    elementwiseWorkgroups(blocks, replicas),
    cost,
  );
  const total = sumAll('penalty', partial);
  partial.dispose();
  return total;
}

/** gradient += l1 sign(w) + 2 l2 w, for a range of the flat buffers. Memory-bound. */
export function addPenaltyGradient({ weight, gradient, penalties, replicaOfElement }: Update): void {
  if (!penalties) return;
  const arrays = { weight, gradient: weight, penalties, replicaOfElement }; // the kernel reads the weights and writes the gradients
  updateKernel('penalty_gradient', penaltyGradientCode, arrays, [gradient], null, [], 12);
}
