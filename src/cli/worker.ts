import { hostname } from 'node:os';
import { TilegradError } from '../base/errors.ts';
import type { Device } from '../gpu/device.ts';
import type { Capability } from '../jobs/records.ts';
import { adapterText } from '../report/format.ts';
import { explainDawnWarnings } from './dawn-warnings.ts';
import type { Experiment } from './experiment.ts';
import { checkpointOf, dataCapability, versionCapability, weightsCapability } from './experiment-job.ts';
import { experimentHandler } from './experiment-worker.ts';
import { listenForInterrupt } from './interrupt.ts';
import { type Io, writeLine } from './io.ts';
import type { LazyModules } from './lazy-modules.ts';
import { loadDatasets } from './plan.ts';
import { findWeights } from './weights.ts';

export interface WorkerOptions {
  /** The folder given as `--data`. */
  data?: string;
  name?: string;
  /** Seconds without a sign of this worker after which other workers get its jobs. */
  stall?: number;
  /** Modules of searches. */
  search?: string[];
}

/** `tilegrad worker`: runs jobs of a queue until Ctrl-C. @throws QueueError, ArgumentError, AdapterError */
export async function worker(url: string, options: WorkerOptions, io: Io, modules: LazyModules): Promise<void> {
  const print = (text: string) => writeLine(io.stdout, text);
  const { serve } = await import('../jobs/serve.ts');
  const { parseAddress } = await import('../jobs/address.ts');
  const address = parseAddress(url, io.env);
  const { experiments } = await modules.catalogue();
  const { registerSearches, searchCapability, trialHandler } = await import('./remote-trials.ts');
  const searches = await registerSearches(options.search ?? []);
  const engine = await modules.engine();
  const interrupt = listenForInterrupt(io, (isFirst) => {
    if (isFirst) writeLine(io.stderr, 'Stopping after the current step; press Ctrl-C again to exit at once.');
  });
  const device = await engine.openDevice().catch((error) => {
    interrupt.dispose();
    throw error;
  });
  try {
    explainDawnWarnings(device.info, io);
    const tuning = await engine.loadTuning(device, (message) => writeLine(io.stderr, `Note: ${message}`));
    const name = options.name ?? `${hostname()}-${process.pid}`;
    const kernels = tuning.measured > 0 ? `, kernels measured: ${tuning.measuredHash}` : '';
    const adapter = adapterText(device.info) + kernels;
    const experimentJobs = experimentHandler({
      experiments,
      engine,
      device,
      tuning,
      io,
      name,
      adapter,
      data: options.data,
    });
    const trialJobs = trialHandler({ searches, device: device as Device, io });
    print(`Worker ${name}, at the queue ${address.text}`);
    print(`Adapter: ${adapter}`);
    const { done, failed } = await serve({
      ...(options.stall === undefined ? {} : { stallSeconds: options.stall }),
      ...{ url, env: io.env, name, adapter, signal: interrupt.signal, print, handlers: [experimentJobs, trialJobs] },
      capability: memoize(
        async (need) => searchCapability(need, searches) ?? capabilityOf(need, experiments, options, io, modules),
      ),
    });
    print(`${done} jobs done, ${failed} failed`);
  } finally {
    interrupt.dispose();
    device.dispose();
  }
}

/** Returns what this machine has under the name of a need; or, in words, why it does not have it. */
async function capabilityOf(
  need: string,
  experiments: readonly Experiment[],
  { data }: WorkerOptions,
  io: Io,
  modules: LazyModules,
): Promise<Capability | string> {
  const version = versionCapability(need);
  if (version) return version;
  try {
    const dataset = /^data (.*)$/.exec(need)?.[1];
    const experiment = experiments.find(({ datasets }) => datasets.some((name) => name === dataset));
    if (experiment) {
      const engine = await modules.engine();
      const [loaded] = (
        await loadDatasets(
          [{ ...experiment, datasets: experiment.datasets.filter((name) => name === dataset) }],
          data,
          engine,
        )
      ).values();
      return dataCapability(loaded!);
    }
    const checkpoint = checkpointOf(need, experiments);
    if (checkpoint) {
      const rows = experiments.filter((candidate) => candidate.checkpoint === checkpoint).slice(0, 1);
      return weightsCapability((await findWeights(rows, await modules.engine(), io)).get(checkpoint)!);
    }
  } catch (error) {
    if (error instanceof TilegradError) return error.message;
    throw error;
  }
  return 'this version of tilegrad does not know it';
}

function memoize<T>(compute: (need: string) => Promise<T>): (need: string) => Promise<T> {
  const values = new Map<string, Promise<T>>();
  return (need) => {
    const value = values.get(need) ?? compute(need);
    values.set(need, value);
    return value;
  };
}
