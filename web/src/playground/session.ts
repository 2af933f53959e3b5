import { RandomStream } from '../../../src/base/random.ts';
import {
  ArgumentError,
  type CompiledStep,
  compileStep,
  type Device,
  noGrad,
  type Tensor,
  tensor,
} from '../../../src/index.ts';
import { drawData, joinPoints, type Points, pointsOf } from './data.ts';
import { gridPositions } from './field.ts';
import { type Look, type Predictions, summarize } from './look.ts';
import { Network, optimizerOf } from './network.ts';
import type { Settings } from './settings.ts';

/** Nodes along a side of the decision surface's grid, and of the hidden units'. */
export const SURFACE_SIZE = 64;
export const UNIT_SIZE = 24;

/** The complete state of a training. */
export interface Checkpoint {
  settings: Settings;
  step: number;
  epoch: number;
  batchesDone: number;
  weights: Float32Array[];
  /** Steps of the optimizer, which differ from `step` if the optimizer was changed. */
  iterations: number;
  /** State of the optimizer for each weight. */
  slots: ArrayBuffer[];
}

/** A recorded step for batches of one size. */
interface BatchStep {
  x: Tensor;
  labels: Tensor;
  run: CompiledStep<[], void>;
}

/** Training of a network on points of the plane. Tensors belong to the session, which releases them in `dispose`. */
export class Session {
  readonly training: Points;
  readonly test: Points;
  /** Steps taken. */
  step = 0;
  /** Finished epochs. */
  epoch = 0;
  private batchesDone = 0;
  private readonly network: Network;
  private readonly optimizer: ReturnType<typeof optimizerOf>;
  private readonly steps = new Map<number, BatchStep>();
  private order: { epoch: number; points: Uint32Array } | null = null;
  /** The recorded step of `look`; null until the first call. */
  private recordedLook: { inputs: Tensor[]; run: CompiledStep<[], Tensor[][]> } | null = null;

  constructor(
    private readonly device: Device,
    readonly settings: Settings,
  ) {
    const drawn = drawData(settings);
    this.training = joinPoints(drawn.training, pointsOf(settings.points));
    this.test = drawn.test;
    this.network = new Network(device, settings);
    this.optimizer = optimizerOf(settings, this.network.weights);
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.training.labels.length / this.settings.batch);
  }

  /** Steps until the current epoch ends. */
  get stepsToEpochEnd(): number {
    return this.stepsPerEpoch - this.batchesDone;
  }

  /**
   * Runs training steps. Every epoch has another order of the training points, which depends only on `dataSeed` and the epoch. The
   * last batch of an epoch may be smaller.
   * @throws ArgumentError if there is no point to train on; DeviceLostError
   */
  train(steps: number): void {
    const count = this.training.labels.length;
    if (count === 0) throw new ArgumentError('train: there is no training point; place some, or choose a data set');
    for (let i = 0; i < steps; i++) {
      if (this.order?.epoch !== this.epoch) {
        const random = new RandomStream(this.settings.dataSeed, 'shuffle', this.epoch);
        this.order = { epoch: this.epoch, points: random.permutation(count) };
      }
      const first = this.batchesDone * this.settings.batch;
      this.trainOn(this.order.points.subarray(first, first + this.settings.batch));
      this.step++;
      if (++this.batchesDone < this.stepsPerEpoch) continue;
      this.batchesDone = 0;
      this.epoch++;
    }
  }

  private trainOn(points: Uint32Array): void {
    const { positions, labels } = this.training;
    const batch = this.stepFor(points.length);
    batch.x.assign(
      this.repeatForReplicas(Array.from(points, (p) => [positions[2 * p]!, positions[2 * p + 1]!]).flat()),
    );
    batch.labels.assign(Uint32Array.from(this.repeatForReplicas(Array.from(points, (p) => labels[p]!))));
    batch.run();
  }

  /** Repeats values for each replica. */
  private repeatForReplicas(values: readonly number[]): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: this.settings.replicas * values.length }, (_, i) => values[i % values.length]!);
  }

  private stepFor(size: number): BatchStep {
    const known = this.steps.get(size);
    if (known) return known;
    const { device, network, optimizer, settings } = this;
    const { replicas } = settings;
    const x = tensor(device, new Float32Array(2 * size * replicas), [size, 2], { replicas });
    const labels = tensor(device, new Uint32Array(size * replicas), [size], { dtype: 'u32', replicas });
    const run = compileStep(device, () => {
      network.loss(x, labels, settings).backward();
      optimizer.step();
      optimizer.clearGrad();
    });
    this.steps.set(size, { x, labels, run });
    return { x, labels, run };
  }

  /** Current results of the networks, on grids over the plane and for all points. Waits for the GPU. @throws DeviceLostError */
  async look(): Promise<Look> {
    const { device, training, test, settings, step, stepsPerEpoch } = this;
    const epoch = this.epoch + (stepsPerEpoch > 0 ? this.batchesDone / stepsPerEpoch : 0);
    this.recordedLook ??= this.record();
    const [[logits], units] = this.recordedLook.run() as [[Tensor], Tensor[]];
    // Only the units of the first replica, which come first in the buffer.
    const reads = units.map(({ array, size }) => device.read(array.storage, 4 * size));
    const [values, ...outputs] = await Promise.all([logits.data(), ...reads]);
    const predictions: Predictions = {
      logits: values as Float32Array,
      replicas: settings.replicas,
      gridSize: SURFACE_SIZE,
    };
    return {
      ...{ step, epoch },
      ...summarize(predictions, training, test),
      units: outputs.map((bytes) => new Float32Array(bytes)),
    };
  }

  private record(): NonNullable<Session['recordedLook']> {
    const { device, network, settings, training, test } = this;
    const { replicas } = settings;
    const grid = gridPositions(SURFACE_SIZE);
    const inputs = [[...grid, ...training.positions, ...test.positions], [...gridPositions(UNIT_SIZE)]].map((all) =>
      tensor(device, this.repeatForReplicas(all), [all.length / 2, 2], { replicas }),
    );
    const [points, nodes] = inputs as [Tensor, Tensor];
    const run = compileStep(device, () =>
      noGrad(() => [[network.layers(points).at(-1)!], network.layers(nodes).slice(0, -1)]),
    );
    return { inputs, run };
  }

  /** Copies the complete state of the training. Waits for the GPU. */
  async capture(): Promise<Checkpoint> {
    const { device, network, optimizer, settings, step, epoch, batchesDone } = this;
    const weights = Promise.all(network.weights.map((weight) => weight.data() as Promise<Float32Array>));
    const { iterations } = optimizer;
    const slots = Promise.all(optimizer.slots.map(({ storage }) => device.read(storage)));
    return { settings, step, epoch, batchesDone, weights: await weights, iterations, slots: await slots };
  }

  /**
   * A session that continues from a checkpoint, also with other settings if they need no restart. Another
   * optimizer starts with empty state; with other training points, the epoch starts over.
   */
  static restore(device: Device, checkpoint: Checkpoint, settings = checkpoint.settings): Session {
    const session = new Session(device, settings);
    const { step, epoch, batchesDone, weights, iterations, slots } = checkpoint;
    const before = checkpoint.settings;
    const hasSameBatches = before.batch === settings.batch && before.points.length === settings.points.length;
    Object.assign(session, { step, epoch, batchesDone: hasSameBatches ? batchesDone : 0 });
    for (const [i, weight] of session.network.weights.entries()) weight.assign(weights[i]!);
    if (before.optimizer === settings.optimizer) {
      session.optimizer.iterations = iterations;
      for (const [i, { storage }] of session.optimizer.slots.entries()) {
        device.upload(storage, new Uint8Array(slots[i]!));
      }
    }
    return session;
  }

  dispose(): void {
    for (const { x, labels, run } of this.steps.values()) {
      run.dispose();
      x.dispose();
      labels.dispose();
    }
    this.recordedLook?.run.dispose();
    for (const input of this.recordedLook?.inputs ?? []) input.dispose();
    this.optimizer.dispose();
    this.network.dispose();
  }
}
