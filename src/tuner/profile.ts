import { checkFunction, checkOptions, formatValue, type OptionNames } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { bytesMoved } from '../gpu/bound-arrays.ts';
import { checkDevice, type Device } from '../gpu/device.ts';
import type { AdapterInfo, Counters } from '../gpu/info.ts';
import type { Choice } from '../gpu/kernel-selection.ts';
import { Program } from '../gpu/recorder.ts';
import { checkSeconds, preserving, type TimingOptions, timeProgram } from '../gpu/timing.ts';
import type { BatchSource } from '../training/batches/batch-source.ts';
import { checkModel } from '../training/batches/source-batches.ts';
import type { Model } from '../training/model.ts';
import { recordTrainingStep } from '../training/training-step.ts';
import { type Ceilings, measureCeilings } from './ceiling.ts';

/** One dispatch of a profiled program. */
export interface ProfiledDispatch {
  /** Name of the kernel. */
  kernel: string;
  /** Shapes of the arrays bound, in the shader's order: `[256,32,32,3] [5,5,3,6] [6] [256,28,28,6]`. */
  shapes: string;
  /** Size of its grid. */
  workgroups: [number, number, number];
  /** Milliseconds. */
  ms: number;
  /** Floating-point operations, a multiply-add counting as two; 0 if they are not counted. */
  flops: number;
  /** Least bytes to read and write: each array once. More if the caches are too small. */
  bytes: number;
  /** Name of its layer in the model; the first layer if several share a kernel. Null outside of layers. */
  layer: string | null;
  /** Whether it is part of a backward pass. */
  backward: boolean;
  /**
   * Selected variants, the outermost first: a convolution may run as a matrix product, which has variants
   * too. Empty for operators with one kernel.
   */
  choices: Choice[];
}

/** All dispatches of one kernel on the same shapes. Operations and bytes are those of one call, times those of all calls. */
export interface KernelProfile {
  /** Name of the kernel. */
  kernel: string;
  /** Shapes of the arrays bound, in the shader's order. */
  shapes: string;
  /** Number of its dispatches in the program. */
  calls: number;
  /** Milliseconds of all calls together. */
  ms: number;
  /** Share of the time of all dispatches, 0 to 1. */
  share: number;
  /** Floating-point operations of one call; a multiply-add counts as two. */
  flops: number;
  /** Least bytes that one call reads and writes. */
  bytes: number;
  /** Operations a second, in units of 10^9. */
  gflops: number;
  /** Bytes a second, in units of 10^9. */
  gbs: number;
  /** `gflops` as a share of the adapter's ceiling `fmaGflops`. */
  ofFma: number;
  /** `gbs` as a share of the adapter's ceiling `copyGBs`. */
  ofCopy: number;
}

/** Result of `profileStep` and `profileProgram`. */
export interface Profile {
  /** The adapter of the measurement. */
  adapter: Pick<AdapterInfo, 'name' | 'vendor' | 'driver' | 'isSoftware'>;
  /** How dispatches were timed (see `Timing`). */
  clock: 'timestamps' | 'serialised';
  /** Why dispatches were not timed by timestamps; null if they were. */
  clockReason: string | null;
  /** Peak rates of the adapter, measured before the profile unless given. */
  ceilings: Ceilings;
  /** One run of the whole program in steady state. */
  step: {
    /** Wall time; it differs from the sum of the dispatches by the time between them. */
    ms: number;
    /** Kernel runs. */
    dispatches: number;
    /** Command buffers submitted to the queue. */
    submits: number;
    /** Pipelines, bind groups and buffers created. */
    createdObjects: number;
    /** Bytes sent from the host. */
    bytesUploaded: number;
    /** Bytes that all dispatches read and write. */
    bytesMoved: number;
    /** Floating-point operations of all dispatches. */
    flops: number;
    /** Bytes of the program's intermediate results; results that are not needed at the same time share buffers. */
    peakBytes: number;
  };
  /** In the order of the program. */
  dispatches: ProfiledDispatch[];
  /** The slowest first. */
  kernels: KernelProfile[];
}

/** Options of `profileStep` and `profileProgram`. */
export interface ProfileOptions extends TimingOptions {
  /** Peak rates of the adapter, if known. Default: measured now. */
  ceilings?: Ceilings;
}
const names: OptionNames<ProfileOptions> = { seconds: true, now: true, ceilings: true };

/** @throws ArgumentError for options of the wrong kind */
function checkProfiling(subject: string, { seconds, now, run }: ProfileOptions & { run?: () => void }): void {
  if (seconds !== undefined) checkSeconds(subject, seconds);
  if (now !== undefined) checkFunction(`${subject}: now`, now);
  if (run !== undefined) checkFunction(`${subject}: run`, run);
}

const created = (counters: Counters) =>
  counters.pipelinesCreated + counters.bindGroupsCreated + counters.buffersCreated;

/**
 * Measures the time of each dispatch of a recorded program, compared with the adapter's peak rates. Arrays that the program
 * writes outside of its own buffers are restored afterwards.
 *
 * @param program the result of `device.record`
 * @param options.run runs the program once; default `program.run()`
 * @throws ArgumentError for anything but a device and a program, a program without dispatches, or invalid options
 */
export async function profileProgram(
  device: Device,
  program: Program,
  options: ProfileOptions & { run?: () => void } = {},
): Promise<Profile> {
  checkDevice('profileProgram', device);
  checkOptions('profileProgram', options, { ...names, run: true });
  if (!(program instanceof Program)) {
    throw new ArgumentError(`profileProgram: takes what device.record returned, but was given ${formatValue(program)}`);
  }
  checkProfiling('profileProgram', options);
  if (program.dispatches === 0) throw new ArgumentError('profile: the program dispatches nothing');
  const { run = () => program.run() } = options;
  const ceilings = options.ceilings ?? (await measureCeilings(device));
  const { timing, before, after } = await preserving(device, program, async () => {
    run();
    const timing = await timeProgram(device, program, options);
    const before = { ...device.counters };
    run();
    return { timing, before, after: { ...device.counters } };
  });
  const dispatches = program.commands.map(
    (command, i): ProfiledDispatch => ({
      kernel: command.pipeline.name,
      shapes: (command.info?.shapes ?? []).map((shape) => `[${shape}]`).join(' '),
      workgroups: [...command.workgroups],
      ms: timing.ms[i]!,
      flops: command.info?.flops ?? 0,
      bytes: bytesMoved(command),
      layer: command.info?.origin?.layer ?? null,
      backward: command.info?.origin?.backward ?? false,
      choices: [...(command.info?.origin?.choices ?? [])],
    }),
  );
  const { name, vendor, driver, isSoftware } = device.info;
  return {
    adapter: { name, vendor, driver, isSoftware },
    clock: timing.clock,
    clockReason: timing.reason,
    ceilings,
    step: {
      ms: timing.programMs,
      dispatches: after.dispatches - before.dispatches,
      submits: after.submits - before.submits,
      createdObjects: created(after) - created(before),
      bytesUploaded: after.bytesUploaded - before.bytesUploaded,
      bytesMoved: sum(dispatches, 'bytes'),
      flops: sum(dispatches, 'flops'),
      peakBytes: program.bytes,
    },
    dispatches,
    kernels: byKernel(dispatches, ceilings),
  };
}

const sum = (rows: readonly ProfiledDispatch[], key: 'ms' | 'flops' | 'bytes') =>
  rows.reduce((total, row) => total + row[key], 0);

/** Groups dispatches of the same kernel on the same shapes into rows, the slowest first. */
export function byKernel(dispatches: readonly ProfiledDispatch[], ceilings: Ceilings): KernelProfile[] {
  const groups = new Map<string, ProfiledDispatch[]>();
  for (const dispatch of dispatches) {
    const { kernel, shapes, flops, bytes } = dispatch;
    const key = JSON.stringify([kernel, shapes, flops, bytes]);
    groups.set(key, [...(groups.get(key) ?? []), dispatch]);
  }
  const total = sum(dispatches, 'ms');
  const rows = [...groups.values()].map((group): KernelProfile => {
    const { kernel, shapes, flops, bytes } = group[0]!;
    const ms = sum(group, 'ms');
    const [gflops, gbs] = [sum(group, 'flops') / ms / 1e6, sum(group, 'bytes') / ms / 1e6];
    return {
      ...{ kernel, shapes, calls: group.length, ms, share: ms / total, flops, bytes, gflops, gbs },
      ...{ ofFma: gflops / ceilings.fmaGflops, ofCopy: gbs / ceilings.copyGBs },
    };
  });
  return rows.sort((a, b) => b.ms - a.ms);
}

/**
 * Measures the time of each dispatch of a training step: the step that `fit` would record for this model and data, on its first batch.
 * Weights, optimizer state and running statistics are restored afterwards.
 *
 *     model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
 *     const profile = await profileStep(model, loader, { batchSize: 256 });
 *     console.table(profile.kernels);
 * @param options.batchSize number of samples of the step; default 32, as in `fit`
 * @throws ArgumentError, ShapeError as `fit` does
 */
export async function profileStep(
  model: Model,
  data: BatchSource,
  options: ProfileOptions & { batchSize?: number } = {},
): Promise<Profile> {
  checkModel('profileStep', model, 'profileStep(model, loader)');
  const { batchSize, ...profiling } = checkOptions('profileStep', options, { ...names, batchSize: true });
  checkProfiling('profileStep', options);
  const step = recordTrainingStep('profileStep', model, data, { batchSize });
  try {
    return await profileProgram(model.device, step.program, { ...profiling, run: step.run });
  } finally {
    step.dispose();
  }
}
