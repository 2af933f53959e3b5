import {
  type Callback,
  type CallbackState,
  type Device,
  DeviceLostError,
  type EpochLogs,
  ImageLoader,
  type Sequential,
  type StepLogs,
  type TrainingState,
} from '../../../src/index.ts';
import { createModel } from '../network.ts';
import type { Samples } from '../samples.ts';
import type { Settings } from '../settings.ts';
import type { CurvePoint } from '../snapshot.ts';
import { CurveRecorder } from './curve-recorder.ts';
import { checkHashes, type EpochHash, hashWeights } from './weight-hash.ts';

/** Milliseconds between two readings of loss and accuracy while training. */
const REPORT_MS = 150;
/** Least time between two checkpoints during training: in milliseconds, and as a multiple of the time of a checkpoint. */
const CHECKPOINT_MS = 2000;
const CHECKPOINT_SHARE = 20;
/** Most epochs of a training. */
const MAX_EPOCHS = 1000;
const NEVER = 2 ** 31;
/** Number of hashes to keep. */
const MAX_HASHES = 10;

export interface SessionEvents {
  /** Called when a value of the snapshot has changed. */
  onChange(): void;
  /** Called with a state to save, from which training can continue. */
  onCheckpoint(state: TrainingState): Promise<void>;
  /** Called when training has failed; the session is then unusable. */
  onFailure(error: unknown): void;
}

/**
 * Training of a network that can be paused after any step. The first play or step starts one `fit`, whose callback waits at
 * the safe points between two steps. During a pause, weights can be read and the network evaluated.
 */
export class Session {
  readonly model: Sequential;
  /** Training images. */
  readonly train: ImageLoader;
  readonly test: ImageLoader;
  readonly curves = new CurveRecorder();
  /** Hashes of the last epochs. */
  hashes: EpochHash[] = [];
  /** Current epoch, from 1, and its finished steps. */
  position = { epoch: 1, step: 0 };
  samplesPerSecond: number | null = null;
  /** Whether the kernels of a step are compiled. */
  isCompiled = false;
  private readonly abort = new AbortController();
  private running: Promise<void> | null = null;
  private compiling: Promise<void> | null = null;
  private restoring = false;
  /** Whether `fit` has ended, after the last epoch or with an error. */
  private isEnded = false;
  private playing = false;
  private stepsLeft = 0;
  private lastReport = { at: 0, step: -1 };
  private lastCheckpoint = { at: performance.now(), ms: 0, step: -1 };
  /** Ends the wait at a safe point. */
  private wake = () => {};
  /** Called when a pause is reached. */
  private readonly pauses: (() => void)[] = [];
  private isPaused = false;

  /** @throws OutOfMemoryError if the network or its data do not fit on the adapter */
  constructor(
    readonly device: Device,
    readonly settings: Settings,
    readonly data: Samples,
    private readonly events: SessionEvents,
    private readonly epochs = MAX_EPOCHS,
  ) {
    const { seed, replicas } = settings;
    const disposables: { dispose(): void }[] = [];
    const track = <T extends { dispose(): void }>(resource: T): T => {
      disposables.push(resource);
      return resource;
    };
    try {
      this.model = track(createModel(settings)).build(device, { seed, replicas });
      this.train = track(new ImageLoader(device, data.train));
      this.test = track(new ImageLoader(device, data.test));
    } catch (error) {
      for (const resource of disposables) resource.dispose();
      throw error;
    }
  }

  /** Steps since the beginning. */
  get step(): number {
    return (this.position.epoch - 1) * this.stepsPerEpoch + this.position.step;
  }

  get stepsPerEpoch(): number {
    return Math.ceil(this.train.size / this.settings.batch);
  }

  get isPlaying(): boolean {
    return this.playing;
  }

  /** Starts or continues training; does nothing after the last epoch. */
  play(): void {
    if (this.isEnded) return;
    this.playing = true;
    this.endWaits(); // a pause that was not reached yet is canceled
    this.start();
    this.wake();
  }

  /** Pauses training. Resolves when the current step has ended. */
  pause(): Promise<void> {
    this.playing = false;
    return this.reachPause();
  }

  /** Takes one step and pauses; resolves then. */
  async takeStep(): Promise<void> {
    if (this.isEnded) return;
    this.playing = false;
    this.stepsLeft++;
    this.start();
    this.isPaused = false;
    this.wake();
    await this.reachPause();
  }

  /** Saves a checkpoint after the next step, even if none is due. */
  checkpointSoon(): void {
    this.lastCheckpoint.at = Number.NEGATIVE_INFINITY;
  }

  /** Restores a checkpoint, before the first step. @throws ArgumentError if it is from another training */
  async restore(state: TrainingState): Promise<void> {
    this.restoring = true;
    this.start(state);
    await Promise.race([this.running, this.reachPause()]);
    this.restoring = false;
  }

  /** Compiles the kernels of a step by training a copy for one step, so that the first step after a click is not delayed. */
  compile(): Promise<void> {
    this.compiling ??= this.trainCopy()
      .then(() => this.setCompiled())
      .catch((error) => this.fail(error));
    return this.compiling;
  }

  private setCompiled(): void {
    this.isCompiled = true;
    this.events.onChange();
  }

  private async trainCopy(): Promise<void> {
    const { device, settings, data } = this;
    const { batch: batchSize, seed, replicas } = settings;
    const copy = createModel(settings).build(device, { seed, replicas });
    const { images, labels, ...set } = data.train;
    const size = Math.min(batchSize, set.size);
    const first = { images: images.subarray(0, (size * images.length) / set.size), labels: labels.subarray(0, size) };
    const batch = new ImageLoader(device, { ...set, ...first, size });
    try {
      await copy.fit(batch, { batchSize, seed, replicas, signal: this.abort.signal });
    } finally {
      copy.dispose();
      batch.dispose();
    }
  }

  /** Ends training and releases its memory. */
  async dispose(): Promise<void> {
    this.abort.abort();
    this.wake();
    await Promise.all([this.compiling, this.running?.catch(() => {})]);
    this.model.dispose();
    this.train.dispose();
    this.test.dispose();
  }

  /** Handles the end of training by an error. A failed `restore` reports it itself. After a loss of the device, training continues on another one. */
  private fail(error: unknown): void {
    if (this.abort.signal.aborted) return;
    if (!(error instanceof DeviceLostError)) this.playing = false;
    if (!this.restoring) this.events.onFailure(error);
  }

  private endWaits(): void {
    for (const resolve of this.pauses.splice(0)) resolve();
  }

  private reachPause(): Promise<void> {
    if (this.isPaused || this.isEnded || !this.running) return Promise.resolve();
    return new Promise((resolve) => this.pauses.push(resolve));
  }

  private start(state?: TrainingState): void {
    if (this.running) return;
    const { batch: batchSize, seed, replicas } = this.settings;
    const options = { epochs: this.epochs, batchSize, seed, replicas, validationData: this.test };
    this.running = this.model
      .fit(this.train, { ...options, callbacks: [this.callback(state)], signal: this.abort.signal })
      .then(() => {
        this.playing = false; // after the last epoch
      });
    this.running
      .catch((error) => this.fail(error))
      .finally(() => {
        this.isEnded = true;
        this.endWaits();
        this.events.onChange();
      });
  }

  private callback(initial: TrainingState | undefined): Callback {
    const session = this;
    return {
      [Symbol.toStringTag]: 'Session',
      async onTrainBegin({ resume }) {
        if (initial) await resume(initial, 'the checkpoint');
      },
      /** Read after each step: reports every single step, and continuous training a few times a second. */
      get everySteps() {
        return session.isReportDue ? 1 : NEVER;
      },
      onSteps: (logs) => session.report(logs),
      onEpochEnd: (_, replicas) => session.endEpoch(replicas),
      async onSafePoint({ after, capture }) {
        if (after === 'step') session.position.step++;
        if (after === 'epoch') session.position = { epoch: session.position.epoch + 1, step: 0 };
        await session.checkpointIfDue(after === 'interruption', capture);
        if (after === 'step') await session.waitWhilePaused(capture);
      },
      state: () => ({ curves: session.curves.state(), hashes: session.hashes as unknown as CallbackState[] }),
      async restore(saved) {
        session.curves.restore(saved.curves as CallbackState, session.settings.replicas);
        session.hashes = checkHashes(saved.hashes);
        const { epoch, step } = initial!.position;
        session.position = { epoch, step };
        session.lastCheckpoint.step = session.lastReport.step = session.step;
        await session.waitWhilePaused(async () => initial!);
      },
    } as Callback;
  }

  private get isReportDue(): boolean {
    return !this.playing || performance.now() - this.lastReport.at >= REPORT_MS;
  }

  private report({ samples, replicas }: StepLogs): void {
    // `position` is that of the last safe point, before this step.
    const step = this.step + 1;
    const now = performance.now();
    const { at, step: before } = this.lastReport;
    if (before >= 0 && step > before && this.playing) {
      this.samplesPerSecond = (1000 * (step - before) * this.settings.batch * replicas.length) / (now - at);
    }
    this.curves.addTraining(step, samples, replicas);
    this.lastReport = { at: performance.now(), step };
    this.setCompiled();
  }

  private async endEpoch(replicas: readonly EpochLogs[]): Promise<void> {
    const hash = { epoch: this.position.epoch, hash: await hashWeights(this.model) };
    this.hashes = [...this.hashes, hash].slice(-MAX_HASHES);
    const point: CurvePoint = {
      step: this.position.epoch * this.stepsPerEpoch,
      loss: replicas.map(({ valLoss }) => valLoss!),
      accuracy: replicas.map(({ valAccuracy }) => valAccuracy!),
    };
    this.curves.addTest(point);
    this.events.onChange();
  }

  /** Saves a checkpoint if one is due. */
  private async checkpointIfDue(isLast: boolean, capture: () => Promise<TrainingState>): Promise<void> {
    const { at, ms } = this.lastCheckpoint;
    const isDue = performance.now() - at >= Math.max(CHECKPOINT_MS, CHECKPOINT_SHARE * ms);
    if (isDue && !isLast) await this.checkpoint(capture);
  }

  private async checkpoint(capture: () => Promise<TrainingState>): Promise<void> {
    if (this.lastCheckpoint.step === this.step) return;
    const begun = performance.now();
    await this.events.onCheckpoint(await capture());
    const now = performance.now();
    this.lastCheckpoint = { at: now, ms: now - begun, step: this.step };
  }

  /** Waits while the training is paused. */
  private async waitWhilePaused(capture: () => Promise<TrainingState>): Promise<void> {
    if (this.stepsLeft > 0) this.stepsLeft--;
    const isHeld = () => !this.playing && this.stepsLeft === 0 && !this.abort.signal.aborted;
    // Pauses only when this step was reported, so that the page shows the step at which it stops.
    if (!isHeld() || this.lastReport.step !== this.step) return;
    await this.checkpoint(capture);
    while (isHeld()) {
      const woken = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.isPaused = true;
      this.endWaits();
      this.events.onChange();
      await woken;
    }
    this.isPaused = false;
    this.lastReport.at = performance.now();
  }
}
