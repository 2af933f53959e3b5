import accumulateMetricsCode from '../../shaders/accumulate_metrics.wgsl';
import hitsCode from '../../shaders/hits.wgsl';
import type { DeviceArray } from './array.ts';
import { checkRank, commonModels, elementwise, output, runKernel } from './run.ts';

/** totals[r] += (loss * batch, hits, batch, 0): a batch joins the epoch's running totals. loss [], rowHit [N], totals [4]. */
export function accumulateMetrics(loss: DeviceArray, rowHit: DeviceArray, totals: DeviceArray): void {
  runKernel(
    loss.device,
    { name: 'accumulate_metrics', code: accumulateMetricsCode },
    [rowHit.size],
    [loss, rowHit, totals],
    [1, 1, loss.models],
  );
}

/** 1 for each row whose first largest output is its label's, else 0: output [N,C], labels u32 [N] -> [N]. Memory-bound. */
export function countHits(y: DeviceArray, labels: DeviceArray): DeviceArray {
  checkRank('hits', 'the output', y, 2, 'batch, classes');
  const hit = output(y.device, labels.shape, commonModels('hits', [y, labels]));
  const rows = hit.models * hit.size;
  runKernel(y.device, { name: 'hits', code: hitsCode }, [rows, y.shape[1]!], [y, labels, hit], elementwise(rows));
  return hit;
}
