import {
  AbortedError,
  type Callback,
  type Device,
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

/** Milliseconds between two readings of loss and accuracy while training. */
const REPORT_MS = 150;
/** Least milliseconds between two checkpoints while training, and how many times as long as a checkpoint takes. */
const CHECKPOINT_MS = 2000;
const CHECKPOINT_SHARE = 20;
/** So many epochs end a training. */
const MOST_EPOCHS = 1000;
const NEVER = 2 ** 31;

export interface SessionEvents {
  /** Something that a snapshot shows has changed. */
  onChange(): void;
  /** A state to go on from, to be kept. */
  onCheckpoint(state: TrainingState): Promise<void>;
  /** Training has failed, and the session is of no more use. */
  onFailure(error: unknown): void;
}

/**
 * A network under training that can be paused after any step. It runs one `fit`, from the first play or step on, whose callback waits at
 * the safe points between two steps: paused, weights may be read and the network evaluated.
 */
export class Session {
  readonly model: Sequential;
  readonly train: ImageLoader;
  readonly test: ImageLoader;
  readonly curves = new CurveRecorder();
  /** Epoch under way, from 1, and its steps that are done. */
  position = { epoch: 1, step: 0 };
  samplesPerSecond: number | null = null;
  private readonly abort = new AbortController();
  private running: Promise<void> | null = null;
  private playing = false;
  private stepsLeft = 0;
  private reported = { at: 0, step: -1 };
  private checkpointed = { at: performance.now(), ms: 0, step: -1 };
  /** Ends the wait at a safe point. */
  private wake = () => {};
  /** Called when a pause is reached. */
  private readonly pauses: (() => void)[] = [];
  private held = false;

  /** @throws OutOfMemoryError where the network or its data do not fit on the adapter */
  constructor(
    readonly device: Device,
    readonly settings: Settings,
    readonly data: Samples,
    private readonly events: SessionEvents,
  ) {
    const { seed, replicas } = settings;
    this.model = createModel(settings).build(device, { seed, replicas });
    this.train = new ImageLoader(device, data.train);
    this.test = new ImageLoader(device, data.test);
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

  play(): void {
    this.playing = true;
    this.start();
    this.wake();
  }

  /** Resolves when no step is under way. */
  pause(): Promise<void> {
    this.playing = false;
    return this.reachPause();
  }

  /** Takes one step and pauses; resolves then. */
  takeStep(): Promise<void> {
    this.playing = false;
    this.stepsLeft++;
    this.start();
    this.held = false;
    this.wake();
    return this.reachPause();
  }

  /** Takes the network to a checkpoint, before any step. Rejects with ArgumentError for one of another training. */
  async restore(state: TrainingState): Promise<void> {
    this.start(state);
    await Promise.race([this.reachPause(), this.running]);
  }

  /** Ends the training and gives its memory back. */
  async dispose(): Promise<void> {
    this.abort.abort();
    this.wake();
    await this.running?.catch(() => {});
    this.model.dispose();
    this.train.dispose();
    this.test.dispose();
  }

  private reachPause(): Promise<void> {
    if (this.held || !this.running) return Promise.resolve();
    return new Promise((resolve) => this.pauses.push(resolve));
  }

  private start(state?: TrainingState): void {
    if (this.running) return;
    const { batch: batchSize, seed, replicas } = this.settings;
    const options = { epochs: MOST_EPOCHS, batchSize, seed, replicas, validationData: this.test };
    this.running = this.model
      .fit(this.train, { ...options, callbacks: [this.callback(state)], signal: this.abort.signal })
      .then(() => {
        this.playing = false;
      });
    this.running
      .catch((error) => {
        if (this.abort.signal.aborted && error instanceof AbortedError) return;
        this.playing = false;
        this.events.onFailure(error);
      })
      .finally(() => {
        for (const resolve of this.pauses.splice(0)) resolve();
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
      /** Asked after each step: of every step alone, and of a training a few times a second. */
      get everySteps() {
        return session.isReportDue ? 1 : NEVER;
      },
      onSteps: (logs) => session.report(logs),
      onEpochEnd: (_, replicas) => session.endEpoch(replicas),
      async onSafePoint({ after, capture }) {
        if (after === 'step') session.position.step++;
        if (after === 'epoch') session.position = { epoch: session.position.epoch + 1, step: 0 };
        await session.keep(after === 'interruption', capture);
        if (after === 'step') await session.hold(capture);
      },
      state: () => session.curves.state(),
      async restore(saved) {
        session.curves.restore(saved);
        const { epoch, step } = initial!.position;
        session.position = { epoch, step };
        session.checkpointed.step = session.reported.step = session.step;
        await session.hold(async () => initial!);
      },
    } as Callback;
  }

  private get isReportDue(): boolean {
    return !this.playing || performance.now() - this.reported.at >= REPORT_MS;
  }

  private report({ samples, replicas }: StepLogs): void {
    // `position` is that of the last safe point: this step has not reached its own yet.
    const step = this.step + 1;
    const now = performance.now();
    const { at, step: before } = this.reported;
    if (before >= 0 && step > before && this.playing) {
      this.samplesPerSecond = (1000 * (step - before) * this.settings.batch * replicas.length) / (now - at);
    }
    this.curves.addTraining(step, samples, replicas);
    this.reported = { at: performance.now(), step };
    this.events.onChange();
  }

  private endEpoch(replicas: readonly EpochLogs[]): void {
    const point: CurvePoint = {
      step: this.position.epoch * this.stepsPerEpoch,
      loss: replicas.map(({ valLoss }) => valLoss!),
      accuracy: replicas.map(({ valAccuracy }) => valAccuracy!),
    };
    this.curves.addTest(point);
    this.events.onChange();
  }

  /** Keeps a checkpoint where one is due. */
  private async keep(isLast: boolean, capture: () => Promise<TrainingState>): Promise<void> {
    const { at, ms } = this.checkpointed;
    const isDue = performance.now() - at >= Math.max(CHECKPOINT_MS, CHECKPOINT_SHARE * ms);
    if (isDue && !isLast) await this.checkpoint(capture);
  }

  private async checkpoint(capture: () => Promise<TrainingState>): Promise<void> {
    if (this.checkpointed.step === this.step) return;
    const begun = performance.now();
    await this.events.onCheckpoint(await capture());
    const now = performance.now();
    this.checkpointed = { at: now, ms: now - begun, step: this.step };
  }

  /** Waits while the training is paused. */
  private async hold(capture: () => Promise<TrainingState>): Promise<void> {
    if (this.stepsLeft > 0) this.stepsLeft--;
    const isHeld = () => !this.playing && this.stepsLeft === 0 && !this.abort.signal.aborted;
    // What the page shows is of the step that it stops at.
    if (!isHeld() || this.reported.step !== this.step) return;
    await this.checkpoint(capture);
    while (isHeld()) {
      const woken = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.held = true;
      for (const resolve of this.pauses.splice(0)) resolve();
      this.events.onChange();
      await woken;
    }
    this.held = false;
    this.reported.at = performance.now();
  }
}
