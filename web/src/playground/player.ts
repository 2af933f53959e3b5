import { ArgumentError, type Device, DeviceLostError } from '../../../src/index.ts';
import type { Look } from './look.ts';
import { type Checkpoint, Session } from './session.ts';
import { needsRestart, type Settings } from './settings.ts';

/** Message to the page after a change. */
export interface Update {
  /** Current results of the networks; null if only the state changed. */
  look: Look | null;
  isPlaying: boolean;
  /** A sentence to show to the user; empty for none. */
  notice: string;
}

/** Milliseconds of training that are always allowed in a frame. */
const MIN_TRAINING_MS = 16;
/** Milliseconds between checkpoints during training. */
const CHECKPOINT_MS = 1000;
/** Most consecutive losses of the device, without a step between them. */
const MAX_LOSSES = 3;

/**
 * Plays, pauses and steps a session, and opens the device again if it is lost. Calls run one after another: the current frame ends
 * before a call changes the session.
 */
export class Player {
  private session: Session;
  private isPlaying = false;
  private isFrameDue = false;
  private isDisposed = false;
  private stepsPerFrame = 1;
  private checkpoint: Checkpoint | null = null;
  private checkpointTime = 0;
  private losses = 0;
  /** Resolves at the end of the last call. */
  private last: Promise<void> = Promise.resolve();

  private constructor(
    private device: Device,
    private readonly open: () => Promise<Device>,
    private settings: Settings,
    /** Awaited before the next frame is computed. */
    private readonly report: (update: Update) => void | Promise<void>,
  ) {
    this.session = new Session(device, settings);
    this.watch();
  }

  /**
   * Opens a device and reports the first look.
   * @param open opens a device; called again if it is lost
   * @throws AdapterError and other errors of `open`
   */
  static async start(open: () => Promise<Device>, settings: Settings, report: Player['report']): Promise<Player> {
    const player = new Player(await open(), open, settings, report);
    await player.enqueue(() => player.show());
    return player;
  }

  /** Trains until `pause`, or until the loss is no longer a number. */
  play(): void {
    if (this.isPlaying) return;
    this.isPlaying = true;
    this.queueFrame();
  }

  async pause(): Promise<void> {
    this.isPlaying = false;
    await this.enqueue(() => this.show());
  }

  /** Pauses, then trains a number of steps or the rest of the epoch. */
  async advance(by: number | 'epoch'): Promise<void> {
    this.isPlaying = false;
    await this.enqueue(async () => {
      this.train(by === 'epoch' ? this.session.stepsToEpochEnd : by);
      await this.show();
    });
  }

  /**
   * Applies settings. Training continues if networks and data set stay the same; otherwise it starts over. It stays paused if it was
   * paused.
   */
  async configure(settings: Settings): Promise<void> {
    await this.enqueue(async () => {
      const before = this.settings;
      this.settings = settings; // before calls that may fail, because a lost device is opened again with them
      if (needsRestart(before, settings)) this.checkpoint = null;
      else await this.capture();
      this.replaceSession();
      await this.show();
    });
  }

  /** Starts over with the same settings, paused. */
  async restart(): Promise<void> {
    this.isPlaying = false;
    await this.enqueue(async () => {
      this.checkpoint = null;
      this.replaceSession();
      await this.show();
    });
  }

  /** Waits until every call has ended, and releases the device. */
  async dispose(): Promise<void> {
    this.isPlaying = false;
    await this.last;
    this.isDisposed = true;
    this.session.dispose();
    this.device.dispose();
  }

  /** Detects a loss of the device also while nothing is computed. */
  private watch(): void {
    const { device } = this;
    void device.gpu.lost.then(() => {
      if (this.device === device && !this.isDisposed) return this.enqueue(() => this.show());
    });
  }

  /** @throws ArgumentError if there is no training point */
  private train(steps: number): void {
    if (this.session.training.labels.length === 0) {
      throw new ArgumentError('There is no point to train on: place some, or choose a data set.');
    }
    this.session.train(steps);
  }

  /** Replaces the session by one that continues from the checkpoint, or starts over if there is none. */
  private replaceSession(): void {
    this.session.dispose();
    this.stepsPerFrame = 1;
    this.session = this.checkpoint
      ? Session.restore(this.device, this.checkpoint, this.settings)
      : new Session(this.device, this.settings);
  }

  private async frame(): Promise<void> {
    if (!this.isPlaying) return;
    const begin = performance.now();
    this.train(this.stepsPerFrame);
    await this.device.sync();
    const trained = performance.now();
    const look = await this.session.look();
    if (begin - this.checkpointTime > CHECKPOINT_MS) await this.capture();
    await this.send(look);
    this.adjust(trained - begin, performance.now() - trained);
    this.queueFrame(setTimeout); // calls that arrived meanwhile come first
  }

  /** Queues the next frame during training, unless one is queued already, as after a pause that was canceled. */
  private queueFrame(begin: (run: () => void) => void = (run) => run()): void {
    if (!this.isPlaying || this.isFrameDue) return;
    this.isFrameDue = true;
    const frame = () => {
      this.isFrameDue = false;
      return this.frame();
    };
    begin(() => void this.enqueue(frame));
  }

  /** Adjusts the steps per frame: training takes about as long as evaluating and drawing, and at most an epoch per frame. */
  private adjust(trainingMs: number, lookingMs: number): void {
    if (trainingMs > Math.max(MIN_TRAINING_MS, lookingMs)) this.stepsPerFrame = Math.ceil(this.stepsPerFrame / 2);
    else if (trainingMs < lookingMs / 2) {
      this.stepsPerFrame = Math.min(2 * this.stepsPerFrame, Math.max(1, this.session.stepsPerEpoch));
    }
  }

  private async show(): Promise<void> {
    const look = await this.session.look();
    await this.capture();
    await this.send(look);
  }

  private async capture(): Promise<void> {
    this.checkpoint = await this.session.capture();
    this.checkpointTime = performance.now();
    this.losses = 0;
  }

  private async send(look: Look): Promise<void> {
    const hasDiverged = look.training?.loss.some((loss) => !Number.isFinite(loss)) ?? false;
    const wasPlaying = this.isPlaying;
    if (hasDiverged) this.isPlaying = false;
    const notice = hasDiverged
      ? `The loss is no longer a number after ${look.step} steps${wasPlaying ? ', so training stopped' : ''}: choose a lower rate and start over.`
      : '';
    await this.report({ look, isPlaying: this.isPlaying, notice });
  }

  /** Runs a call after the previous ones. Reports its errors; opens the device again if it was lost. */
  private enqueue(call: () => Promise<void>): Promise<void> {
    this.last = this.last.then(call).catch((error: unknown) => this.recover(error));
    return this.last;
  }

  private async recover(error: unknown): Promise<void> {
    const { message } = error as Error;
    if (!(error instanceof DeviceLostError) || ++this.losses > MAX_LOSSES) {
      this.losses = 0; // the next call tries again
      this.isPlaying = false;
      await this.report({ look: null, isPlaying: false, notice: message });
      return;
    }
    try {
      const device = await this.open();
      const lost = this.device;
      this.device = device;
      this.watch();
      this.replaceSession();
      lost.dispose();
      const look = await this.session.look();
      const where = look.step === 0 ? 'begins again' : `continues from step ${look.step}`;
      const notice = `The graphics device was lost, so it was opened again; training ${where}. The reason given: ${message}`;
      await this.report({ look, isPlaying: this.isPlaying, notice });
      this.queueFrame(setTimeout);
    } catch (second) {
      await this.recover(second);
    }
  }
}
