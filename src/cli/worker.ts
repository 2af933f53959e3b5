import { hostname } from 'node:os';
import { TilegradError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { Capability } from '../jobs/records.ts';
import { adapterText } from '../report/format.ts';
import { explainWarnings } from './dawn-warnings.ts';
import type { Experiment } from './experiment.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, line } from './io.ts';
import type { Parts } from './parts.ts';
import { loadDatasets } from './plan.ts';
import { checkpointOf, dataCapability, versionCapability, weightsCapability } from './row-job.ts';
import { rowHandler } from './row-worker.ts';
import { findWeights } from './weights.ts';

export interface WorkerOptions {
  /** The folder given as `--data`. */
  data?: string;
  name?: string;
  /** Seconds without a sign of it after which its jobs are given to others. */
  stall?: number;
  /** Modules of searches. */
  search?: string[];
}

/** Does jobs of a queue until Ctrl-C. @throws QueueError, ArgumentError, AdapterError */
export async function worker(url: string, options: WorkerOptions, io: Io, parts: Parts): Promise<void> {
  const say = (text: string) => line(io.stdout, text);
  const { serve } = await import('../jobs/serve.ts');
  const { parseAddress } = await import('../jobs/address.ts');
  const address = parseAddress(url, io.env);
  const { experiments } = await parts.catalogue();
  const { registerSearches, searchCapability, trialHandler } = await import('./remote-trials.ts');
  const searches = await registerSearches(options.search ?? []);
  const engine = await parts.engine();
  const interrupt = listenForInterrupt(io, (isFirst) => {
    if (isFirst) line(io.stderr, 'Stopping after the current step; press Ctrl-C again to exit at once.');
  });
  const device = await engine.openDevice().catch((error) => {
    interrupt.dispose();
    throw error;
  });
  try {
    explainWarnings(device.info, io);
    const tuning = await engine.loadTuning(device, (message) => line(io.stderr, `Note: ${message}`));
    const name = options.name ?? `${hostname()}-${process.pid}`;
    const kernels = tuning.measured > 0 ? `, kernels measured: ${tuning.measuredHash}` : '';
    const adapter = adapterText(device.info) + kernels;
    const rows = rowHandler({ experiments, engine, device, tuning, io, name, adapter, data: options.data });
    const trials = trialHandler({ searches, device: device as Device, io });
    say(`Worker ${name}, at the queue ${address.text}`);
    say(`Adapter: ${adapter}`);
    const { done, failed } = await serve({
      ...(options.stall === undefined ? {} : { stallSeconds: options.stall }),
      ...{ url, env: io.env, name, adapter, signal: interrupt.signal, say, handlers: [rows, trials] },
      capability: memoized(
        async (what) => searchCapability(what, searches) ?? capabilityOf(what, experiments, options, io, parts),
      ),
    });
    say(`${done} jobs done, ${failed} failed`);
  } finally {
    interrupt.dispose();
    device.dispose();
  }
}

/** What this machine has of what a job may need. @returns why it has none, in words */
async function capabilityOf(
  what: string,
  experiments: readonly Experiment[],
  { data }: WorkerOptions,
  io: Io,
  parts: Parts,
): Promise<Capability | string> {
  const version = versionCapability(what);
  if (version) return version;
  try {
    const dataset = /^data (.*)$/.exec(what)?.[1];
    const row = experiments.find(({ datasets }) => datasets.some((name) => name === dataset));
    if (row) {
      const engine = await parts.engine();
      const [loaded] = (
        await loadDatasets([{ ...row, datasets: row.datasets.filter((name) => name === dataset) }], data, engine)
      ).values();
      return dataCapability(loaded!);
    }
    const checkpoint = checkpointOf(what, experiments);
    if (checkpoint) {
      const rows = experiments.filter((one) => one.checkpoint === checkpoint).slice(0, 1);
      return weightsCapability((await findWeights(rows, await parts.engine(), io)).get(checkpoint)!);
    }
  } catch (error) {
    if (error instanceof TilegradError) return error.message;
    throw error;
  }
  return 'this tilegrad does not know it';
}

function memoized<T>(compute: (what: string) => Promise<T>): (what: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (what) => {
    const value = known.get(what) ?? compute(what);
    known.set(what, value);
    return value;
  };
}
