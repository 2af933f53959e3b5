import type { Command } from '../../../src/gpu/command.ts';
import { withForcedVariant } from '../../../src/gpu/kernel-selection.ts';
import {
  type Ceilings,
  type Choice,
  type Device,
  measureCeilings,
  type Profile,
  profileProgram,
} from '../../../src/index.ts';
import { type RecordedStep, recordTrainingStep } from '../../../src/training/training-step.ts';
import { createModel } from '../network.ts';
import type { Session } from './session.ts';

/** A network whose training is paused. */
export type Paused = Pick<Session, 'device' | 'settings' | 'model' | 'train'>;

/** The dispatches of one kernel in one pass of a layer. */
export interface Kernel {
  /** The shader's name. */
  name: string;
  /** Selected variants, the outermost first; empty for operators with one kernel. */
  choices: Choice[];
  /** Whether the outermost variant is the reference. */
  isReference: boolean;
  dispatches: number;
  /** Milliseconds of all dispatches together, as are operations and bytes. */
  ms: number;
  /** Floating-point operations, a multiply-add counting as two; 0 if they are not counted. */
  flops: number;
  /** Bytes, each bound array counting once. */
  bytes: number;
  /** Time at the adapter's ceiling as a share of the measured time; null if the measured time is 0. */
  share: number | null;
  /** The limiting ceiling: the one at which its operations or bytes take longer. */
  ceiling: 'arithmetic' | 'memory';
  /** Shapes of the arrays that the first dispatch binds. */
  shapes: string;
  /** WGSL text, and the values of its `override` constants. */
  wgsl: string;
  constants: Readonly<Record<string, number>>;
}

/** Kernels of a layer; without a name, those of a training step outside of layers. */
export interface LayerKernels {
  layer: string | null;
  forward: Kernel[];
  backward: Kernel[];
}

/** Kernels of a training step, and how they were timed. */
export interface KernelTable extends Pick<Profile, 'clock' | 'clockReason' | 'ceilings'> {
  /** Wall-clock time of a step. */
  stepMs: number;
  dispatches: number;
  layers: LayerKernels[];
}

/** Comparison of a variant with the reference, each in a separate training step. */
export interface Comparison {
  variants: MeasuredVariant[];
  /** Whether the losses of all steps, and the weights after them, have the same bits. */
  sameBits: boolean;
  /** The largest relative difference of two losses of the same step. */
  difference: number;
  /** The largest difference of gradients of the first step, relative to the largest gradient of the same weight. */
  gradientDifference: number;
  /** Differences up to which results count as equal. */
  tolerance: { loss: number; gradient: number };
  isEqual: boolean;
}

export interface MeasuredVariant {
  variant: string;
  /** Names of the kernels. */
  kernels: string[];
  /** Milliseconds of the variant's kernels in a step, and of the whole step. */
  ms: number;
  stepMs: number;
  /** Losses: [step][replica]. */
  losses: number[][];
}

/** Name of the reference among the variants of every operator. */
export const REFERENCE = 'naive';
/** Steps to compare; from the second on, losses depend on all kernels of the previous step. */
export const STEPS = 5;
/**
 * Differences up to which losses and gradients count as equal. The first is the tolerance of the library's tests for f32 against float64;
 * gradients have passed through all layers. Losses alone do not suffice: Adam is insensitive to a factor on a gradient.
 */
export const TOLERANCE = { loss: 1e-5, gradient: 1e-4 };

export interface MeasureOptions {
  /** Seconds for each profile. Default 1. */
  seconds?: number;
  /** Peak rates of the adapter. Default: measured. */
  ceilings?: Ceilings;
}

/**
 * Times the kernels of a training step, by layer, on a copy of the network; the trained network keeps every bit.
 * @throws DisposedError if the network is closed meanwhile
 */
export async function measureKernels(paused: Paused, options: MeasureOptions = {}): Promise<KernelTable> {
  const ceilings = options.ceilings ?? (await ceilingsOf(paused.device));
  return withCopy(paused, null, async (step, { layers }) => {
    const profile = await profileOf(step, paused.device, { ...options, ceilings });
    const { clock, clockReason } = profile;
    const names = layers.map(({ name }) => name ?? null);
    const rows = [...names, null].map((layer): LayerKernels => {
      const pass = (backward: boolean) => kernelsOf(profile, step.program.commands, layer, backward);
      return { layer, forward: pass(false), backward: pass(true) };
    });
    return { clock, clockReason, ceilings, stepMs: profile.step.ms, dispatches: profile.step.dispatches, layers: rows };
  });
}

/**
 * Measures a selected variant and the reference, and takes some training steps with each from the current weights, on a copy of
 * the network.
 * @throws DisposedError if the network is closed meanwhile
 */
export async function compareWithReference(
  paused: Paused,
  choice: Choice,
  options: MeasureOptions = {},
): Promise<Comparison> {
  const ceilings = options.ceilings ?? (await ceilingsOf(paused.device));
  const runs: { measured: MeasuredVariant; weights: Float32Array[]; gradients: Float32Array[] }[] = [];
  for (const variant of [choice.variant, REFERENCE]) {
    const forced = { ...choice, variant };
    runs.push(
      await withCopy(paused, forced, async (step, { parameters }) => {
        const profile = await profileOf(step, paused.device, { ...options, ceilings });
        const own = profile.dispatches.filter(({ choices }) => isSame(choices[0], forced));
        const losses: number[][] = [];
        let gradients: Float32Array[] = [];
        for (let i = 0; i < STEPS; i++) {
          step.objective.totals.reset();
          step.run();
          losses.push((await step.objective.read()).replicas.map(({ loss }) => loss));
          if (i === 0) gradients = await gradientsOf(parameters);
        }
        const kernels = [...new Set(own.map(({ kernel }) => kernel))];
        const ms = own.reduce((sum, dispatch) => sum + dispatch.ms, 0);
        const measured = { variant, kernels, ms, stepMs: profile.step.ms, losses };
        return { measured, weights: await parameters.read(), gradients };
      }),
    );
  }
  const [chosen, reference] = runs as [(typeof runs)[number], (typeof runs)[number]];
  const losses = runs.map(({ measured }) => measured.losses.flat());
  const difference = Math.max(...losses[0]!.map((loss, i) => differenceOf([loss], [losses[1]![i]!])));
  const gradientDifference = Math.max(
    ...chosen.gradients.map((values, i) => differenceOf(values, reference.gradients[i]!)),
  );
  return {
    variants: runs.map(({ measured }) => measured),
    sameBits: difference === 0 && chosen.weights.every((values, i) => hasSameBits(values, reference.weights[i]!)),
    ...{ difference, gradientDifference, tolerance: TOLERANCE },
    isEqual: difference <= TOLERANCE.loss && gradientDifference <= TOLERANCE.gradient,
  };
}

const known = new WeakMap<Device, Promise<Ceilings>>();

/** The ceilings of a device, measured once. */
function ceilingsOf(device: Device): Promise<Ceilings> {
  let ceilings = known.get(device);
  if (!ceilings) {
    ceilings = measureCeilings(device);
    known.set(device, ceilings);
    ceilings.catch(() => known.delete(device));
  }
  return ceilings;
}

/** Runs `body` with a training step of a copy of the network with the same weights. @param forced variant to select; null for none */
async function withCopy<T>(
  { device, settings, model, train }: Paused,
  forced: Choice | null,
  body: (step: RecordedStep, copy: Paused['model']) => Promise<T>,
): Promise<T> {
  const { seed, replicas, batch: batchSize } = settings;
  const copy = createModel(settings).build(device, { seed, replicas });
  let step: RecordedStep | null = null;
  try {
    const [from, to] = [model.parameters.buffers, copy.parameters.buffers];
    for (const [i, { storage }] of from.entries()) device.copy(storage, to[i]!.storage);
    const record = () => recordTrainingStep('kernels', copy, train, { batchSize });
    step = forced ? withForcedVariant(device.choices, forced, record) : record();
    return await body(step, copy);
  } finally {
    step?.dispose();
    copy.dispose();
  }
}

const profileOf = ({ program, run }: RecordedStep, device: Device, { seconds = 1, ceilings }: MeasureOptions) =>
  profileProgram(device, program, { seconds, ceilings: ceilings!, run });

/** The kernels of one pass of a layer, in the order of their first dispatches. */
function kernelsOf(
  { dispatches, ceilings }: Profile,
  commands: readonly Command[],
  layer: string | null,
  backward: boolean,
): Kernel[] {
  const groups = new Map<string, Kernel>();
  for (const [i, dispatch] of dispatches.entries()) {
    if (dispatch.layer !== layer || dispatch.backward !== backward) continue;
    const { kernel: name, choices, ms, flops, bytes, shapes } = dispatch;
    const { code: wgsl, constants = {} } = commands[i]!.pipeline.source;
    const key = JSON.stringify([wgsl, constants, choices]);
    const group = groups.get(key);
    if (group) {
      group.dispatches++;
      group.ms += ms;
      group.flops += flops;
      group.bytes += bytes;
    } else {
      const dispatched = { dispatches: 1, ms, flops, bytes };
      const isReference = choices[0]?.variant === REFERENCE;
      groups.set(key, {
        name,
        choices,
        isReference,
        ...dispatched,
        share: null,
        ceiling: 'memory',
        shapes,
        wgsl,
        constants,
      });
    }
  }
  for (const group of groups.values()) Object.assign(group, roofline(group, ceilings));
  return [...groups.values()];
}

/** Time of its operations or its bytes at the adapter's ceiling, whichever is longer, as a share of the measured time. */
export function roofline(
  { ms, flops, bytes }: Pick<Kernel, 'ms' | 'flops' | 'bytes'>,
  { fmaGflops, copyGBs }: Ceilings,
): Pick<Kernel, 'share' | 'ceiling'> {
  const [arithmetic, memory] = [flops / fmaGflops / 1e6, bytes / copyGBs / 1e6];
  const ceiling = arithmetic > memory ? 'arithmetic' : 'memory';
  return { ceiling, share: ms > 0 ? Math.max(arithmetic, memory) / ms : null };
}

const isSame = (choice: Choice | undefined, { operator, sizes, variant }: Choice): boolean =>
  choice?.operator === operator &&
  choice.variant === variant &&
  Object.entries(sizes).every(([name, size]) => choice.sizes[name] === size);

/** Gradients of the last step, for each trainable weight. */
async function gradientsOf({ device, gradients, weights, replicas }: Paused['model']['parameters']) {
  const all = new Float32Array(await device.read(gradients.storage));
  return weights.flatMap(({ offset, tensor }) =>
    offset === null ? [] : [all.subarray(offset, offset + replicas * tensor.size)],
  );
}

/** Largest difference of two lists, relative to the largest value; NaN if only one of two values is NaN. */
function differenceOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i])) continue;
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
  }
  for (const values of [a, b])
    for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return difference === 0 ? 0 : difference / largest;
}

function hasSameBits(a: Float32Array, b: Float32Array): boolean {
  const [x, y] = [a, b].map(({ buffer, byteOffset, length }) => new Uint32Array(buffer, byteOffset, length));
  return x!.every((word, i) => word === y![i]);
}
