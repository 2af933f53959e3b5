import accumulateMetricsCode from '../../shaders/accumulate_metrics.wgsl';
import type { DeviceArray } from './array.ts';
import { runKernel } from './run.ts';

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
