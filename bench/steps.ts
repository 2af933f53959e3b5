import { bucketBytes } from '../src/gpu/storage.ts';
import { type Counters, type Device, ImageLoader, openDevice } from '../src/node.ts';
import { impatient, runsFor, type Timing } from './timing.ts';
import { type ModelName, modelOn, noise, SAMPLE } from './workloads.ts';

/** A training step, or a pass over a test set, as users get it: through `fit`, `predict` or `evaluate`. */
export interface StepCase {
  name: string;
  model: ModelName;
  batch: number;
  /** What is timed: a step of `fit`, or a whole call over `size` images. */
  what: 'fit' | 'predict' | 'evaluate';
  /** Images of a pass. */
  size?: number;
  /** Models trained at once. Default 1. */
  replicas?: number;
}

/** Models of the steps that train several at once, as courseworks do. */
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
  { name: 'mobilenet-finetune-b32', model: 'mobilenetFinetune', batch: 32, what: 'fit' },
  { name: 'mobilenet-infer', model: 'mobilenet', batch: 32, what: 'predict', size: 96 },
  { name: 'infer-lenet-10000', model: 'lenet', batch: 1000, what: 'predict', size: 10_000 },
  { name: 'evaluate-lenet-10000', model: 'lenet', batch: 1000, what: 'evaluate', size: 10_000 },
];

/** What a step, or a pass, took and did. */
export interface StepResult {
  name: string;
  timing: Timing;
  samplesPerSecond: number;
  dispatches: number;
  submits: number;
  /** Pipelines, bind groups and buffers. */
  createdObjects: number;
  /** The most the device held at once, without the data set. */
  peakBytes: number;
}

/** A round is an epoch with so many steps that the time of the read-back at its end is negligible. */
const ROUND_MS = 300;
const STEPS = { least: 2, most: 1000 };

/** Times one case on a separate device, so that bytes are counted for it alone. */
export async function timeStep(one: StepCase, rounds: number): Promise<StepResult> {
  if (one.what !== 'fit') return onDevice((device) => timePass(device, one, rounds));
  const steps = await onDevice((device) => stepsOfRound(device, one));
  return onDevice((device) => timeFit(device, one, rounds, steps));
}

async function onDevice<T>(work: (device: Device) => Promise<T>): Promise<T> {
  const device = await openDevice();
  try {
    return await work(device);
  } finally {
    device.dispose();
  }
}

const difference = (after: Counters, before: Counters) => (key: keyof Counters) => after[key] - before[key];

/** What the device did between two moments, a step; without the read-back that ends an epoch, which is a submit too. */
function activity(after: Counters, before: Counters, steps: number, submitsOfReads: number) {
  const change = difference(after, before);
  return {
    dispatches: change('dispatches') / steps,
    submits: (change('submits') - submitsOfReads) / steps,
    createdObjects: (change('pipelinesCreated') + change('bindGroupsCreated') + change('buffersCreated')) / steps,
  };
}

/** Steps of the epochs that tell how long one takes. */
const TRIAL = 2;

/** By the last of a few short epochs, the first of which compiles. */
async function stepsOfRound(device: Device, { model: kind, batch, replicas }: StepCase): Promise<number> {
  const data = new ImageLoader(device, noise(TRIAL * batch, SAMPLE[kind]));
  const { epochs } = await modelOn(device, kind, { replicas }).fit(data, { epochs: 3, batchSize: batch });
  return runsFor((1000 * epochs[2]!.seconds) / TRIAL, STEPS.most, STEPS.least, ROUND_MS);
}

async function timeFit(device: Device, one: StepCase, rounds: number, steps: number): Promise<StepResult> {
  const { name, model: kind, batch, replicas = 1 } = one;
  const data = new ImageLoader(device, noise(steps * batch, SAMPLE[kind]));
  const orders = bucketBytes(4 * replicas * steps * batch); // of its samples
  const dataBytes = device.counters.bytesAllocated + orders;
  const model = modelOn(device, kind, { replicas });
  const times: number[] = [];
  const enough = new AbortController();
  let begun = 0;
  let counters = { ...device.counters };
  let done = activity(counters, counters, steps, 0);
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
            firstRound = begun + ms; // that one recorded the step
            return;
          }
          times.push(ms);
          done = activity(device.counters, counters, steps, difference(device.counters, counters)('readBacks'));
          if (impatient(firstRound, times.length)) enough.abort();
        },
      },
    ],
  });
  const timing = { ms: Math.min(...times) / steps, rounds: times.length, runs: steps };
  return { name, timing, samplesPerSecond: (1000 * replicas * batch) / timing.ms, ...done, peakBytes: peak };
}

/** What the steps of several models at once take beside those of one, as often: `one` and `several` of the same run. */
export function replicaRatios(
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
  /** The most that was allocated while the call ran: what it needs it frees before it returns. */
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, device.counters.bytesAllocated - dataBytes);
  };
  const pass = async () => {
    const running = model[what as 'predict' | 'evaluate'](data, { batchSize: batch });
    look(); // it has submitted its first batch by now
    await running;
  };
  await pass(); // compiles
  const times: number[] = [];
  const begun = performance.now();
  let done = activity(device.counters, device.counters, 1, 0);
  while (times.length < rounds && !impatient(begun, times.length)) {
    const before = { ...device.counters };
    const passBegun = performance.now();
    await pass();
    times.push(performance.now() - passBegun);
    done = activity(device.counters, before, 1, 0);
  }
  const timing = { ms: Math.min(...times), rounds: times.length, runs: 1 };
  return { name, timing, samplesPerSecond: (1000 * size) / timing.ms, ...done, peakBytes: peak };
}
