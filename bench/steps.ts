import { bucketBytes } from '../src/gpu/storage.ts';
import { type Counters, type Device, ImageLoader, openDevice } from '../src/node.ts';
import { hasEnoughRounds, runsFor, type Timing } from './timing.ts';
import { type ModelName, modelOn, noise, SAMPLE } from './workloads.ts';

/** A training step, or a pass over a test set, through `fit`, `predict` or `evaluate`. */
export interface StepCase {
  name: string;
  model: ModelName;
  batch: number;
  /** `fit` times one step; `predict` and `evaluate` time a whole call over `size` images. */
  what: 'fit' | 'predict' | 'evaluate';
  /** Images of a pass. Default: `batch`. */
  size?: number;
  /** Models trained at once. Default 1. */
  replicas?: number;
  /** See `Layer.recompute`. Default false. */
  recompute?: boolean;
}

/** Number of models in the cases that train several at once, as courseworks do. */
const REPLICAS = 10;

export const stepCases: readonly StepCase[] = [
  { name: 'lenet-b256', model: 'lenet', batch: 256, what: 'fit' },
  { name: 'vgg-b32', model: 'vgg', batch: 32, what: 'fit' },
  { name: 'vgg-b128', model: 'vgg', batch: 128, what: 'fit' },
  { name: 'mlp-b32', model: 'mlp', batch: 32, what: 'fit' },
  { name: 'mlpbn-b32', model: 'mlpbn', batch: 32, what: 'fit' },
  { name: 'cnnbn-b32', model: 'cnnbn', batch: 32, what: 'fit' },
  { name: `mlp-b32-x${REPLICAS}`, model: 'mlp', batch: 32, what: 'fit', replicas: REPLICAS },
  { name: `lenet-b256-x${REPLICAS}`, model: 'lenet', batch: 256, what: 'fit', replicas: REPLICAS },
  { name: `cnnbn-b32-x${REPLICAS}`, model: 'cnnbn', batch: 32, what: 'fit', replicas: REPLICAS },
  { name: 'mobilenet-b32', model: 'mobilenet', batch: 32, what: 'fit' },
  { name: 'mobilenet-recompute-b32', model: 'mobilenet', batch: 32, what: 'fit', recompute: true },
  { name: 'mobilenet-finetune-b32', model: 'mobilenetFinetune', batch: 32, what: 'fit' },
  { name: 'mobilenet-infer', model: 'mobilenet', batch: 32, what: 'predict', size: 96 },
  { name: 'infer-lenet-10000', model: 'lenet', batch: 1000, what: 'predict', size: 10_000 },
  { name: 'evaluate-lenet-10000', model: 'lenet', batch: 1000, what: 'evaluate', size: 10_000 },
];

/** Time and counters of a step or a pass. */
export interface StepResult {
  name: string;
  timing: Timing;
  samplesPerSecond: number;
  dispatches: number;
  submits: number;
  /** Pipelines, bind groups and buffers created. */
  createdObjects: number;
  /** Most bytes allocated on the device, without the data set. */
  peakBytes: number;
}

/** Milliseconds of a round. A round is an epoch with enough steps that the read-back at its end is negligible. */
const ROUND_MS = 300;
const STEPS = { min: 2, max: 1000 };

/** Times one case on a separate device, so that bytes are counted for it alone. */
export async function timeStep(one: StepCase, rounds: number): Promise<StepResult> {
  if (one.what !== 'fit') return withDevice((device) => timePass(device, one, rounds));
  const steps = await withDevice((device) => chooseSteps(device, one));
  return withDevice((device) => timeFit(device, one, rounds, steps));
}

async function withDevice<T>(work: (device: Device) => Promise<T>): Promise<T> {
  const device = await openDevice();
  try {
    return await work(device);
  } finally {
    device.dispose();
  }
}

const difference = (after: Counters, before: Counters) => (key: keyof Counters) => after[key] - before[key];

/** Returns the device's counters per step between two moments, without the submit of the read-back at the end of an epoch. */
function countersPerStep(after: Counters, before: Counters, steps: number, submitsOfReads: number) {
  const change = difference(after, before);
  return {
    dispatches: change('dispatches') / steps,
    submits: (change('submits') - submitsOfReads) / steps,
    createdObjects: (change('pipelinesCreated') + change('bindGroupsCreated') + change('buffersCreated')) / steps,
  };
}

/** Steps of the epochs that measure how long a step takes. */
const TRIAL_STEPS = 2;

/** Chooses the steps of a round by the last of three short epochs; the first one compiles. */
async function chooseSteps(device: Device, { model: kind, batch, replicas, recompute }: StepCase): Promise<number> {
  const data = new ImageLoader(device, noise(TRIAL_STEPS * batch, SAMPLE[kind]));
  const { epochs } = await modelOn(device, kind, { replicas, recompute }).fit(data, { epochs: 3, batchSize: batch });
  return runsFor((1000 * epochs[2]!.seconds) / TRIAL_STEPS, STEPS.max, STEPS.min, ROUND_MS);
}

async function timeFit(device: Device, one: StepCase, rounds: number, steps: number): Promise<StepResult> {
  const { name, model: kind, batch, replicas = 1, recompute } = one;
  const data = new ImageLoader(device, noise(steps * batch, SAMPLE[kind]));
  const orderBytes = bucketBytes(4 * replicas * steps * batch); // the order of the samples
  const dataBytes = device.counters.bytesAllocated + orderBytes;
  const model = modelOn(device, kind, { replicas, recompute });
  const times: number[] = [];
  const enough = new AbortController();
  let begun = 0;
  let counters = { ...device.counters };
  let stepCounters = countersPerStep(counters, counters, steps, 0);
  let peak = 0;
  let firstRound = 0;
  await model.fit(data, {
    epochs: rounds + 1,
    batchSize: batch,
    seed: 1,
    signal: enough.signal,
    callbacks: [
      {
        onEpochBegin() {
          counters = { ...device.counters };
          begun = performance.now();
        },
        onEpochEnd({ epoch }) {
          const ms = performance.now() - begun;
          peak = Math.max(peak, device.counters.bytesAllocated - dataBytes);
          if (epoch === 1) {
            firstRound = begun + ms; // the first epoch records the step
            return;
          }
          times.push(ms);
          stepCounters = countersPerStep(
            device.counters,
            counters,
            steps,
            difference(device.counters, counters)('readBacks'),
          );
          if (hasEnoughRounds(firstRound, times.length)) enough.abort();
        },
      },
    ],
  });
  const timing = { ms: Math.min(...times) / steps, rounds: times.length, runs: steps };
  return { name, timing, samplesPerSecond: (1000 * replicas * batch) / timing.ms, ...stepCounters, peakBytes: peak };
}

/** Pairs the result of several models at once with that of one model, from the same run. */
export function replicaPairs(
  steps: readonly StepResult[],
): { one: StepResult; several: StepResult; replicas: number }[] {
  return stepCases.flatMap(({ name, model, batch, replicas = 1 }) => {
    const alone = stepCases.find((c) => c.model === model && c.batch === batch && c.what === 'fit' && !c.replicas);
    const one = steps.find((step) => step.name === alone?.name);
    const several = replicas > 1 ? steps.find((step) => step.name === name) : undefined;
    return one && several ? [{ one, several, replicas }] : [];
  });
}

async function timePass(device: Device, one: StepCase, rounds: number): Promise<StepResult> {
  const { name, model: kind, batch, what, size = batch } = one;
  const data = new ImageLoader(device, noise(size, SAMPLE[kind]));
  const dataBytes = device.counters.bytesAllocated;
  const model = modelOn(device, kind);
  /** Most bytes allocated during the call, which frees its buffers before it returns. */
  let peak = 0;
  const updatePeak = () => {
    peak = Math.max(peak, device.counters.bytesAllocated - dataBytes);
  };
  const pass = async () => {
    const running = model[what as 'predict' | 'evaluate'](data, { batchSize: batch });
    updatePeak(); // the first batch is submitted
    await running;
  };
  await pass(); // compiles
  const times: number[] = [];
  const begun = performance.now();
  let stepCounters = countersPerStep(device.counters, device.counters, 1, 0);
  while (times.length < rounds && !hasEnoughRounds(begun, times.length)) {
    const before = { ...device.counters };
    const passBegun = performance.now();
    await pass();
    times.push(performance.now() - passBegun);
    stepCounters = countersPerStep(device.counters, before, 1, 0);
  }
  const timing = { ms: Math.min(...times), rounds: times.length, runs: 1 };
  return { name, timing, samplesPerSecond: (1000 * size) / timing.ms, ...stepCounters, peakBytes: peak };
}
