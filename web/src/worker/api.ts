import {
  AdapterError,
  type Choice,
  Device,
  DeviceLostError,
  DisposedError,
  encodeWeights,
  type TrainingState,
} from '../../../src/index.ts';
import type { Samples } from '../samples.ts';
import { addressOf, type DataName, type Settings } from '../settings.ts';
import type { Missing, Snapshot, State } from '../snapshot.ts';
import type { Checkpoints } from './checkpoints.ts';
import { classifyImage } from './classify.ts';
import { nodeProgram } from './downloads.ts';
import { readFirstFilters } from './filters.ts';
import { type Comparison, compareWithReference, type KernelTable, measureKernels } from './kernels.ts';
import { imagesOfCell, type TestResult, testImage, testModel } from './mistakes.ts';
import { Session } from './session.ts';

/** Least milliseconds between two snapshots while training. */
const SNAPSHOT_MS = 100;
/** Consecutive losses of the device, without a step between them, after which training still continues. */
const MAX_LOSSES = 3;

/** Methods of the page that the worker calls. */
export interface PageEvents {
  onSnapshot(snapshot: Snapshot): void;
  /** A message to show once, such as that a checkpoint is not used. */
  onNotice(message: string): void;
  /** Training is impossible. @param missing the missing part of WebGPU, which the page explains; null for other reasons */
  onFailure(message: string, missing: Missing | null): void;
}

/** Methods of the worker that the page calls, through comlink. There is one network at a time. */
export class Api {
  private events: PageEvents | null = null;
  device: Device | null = null;
  private session: Session | null = null;
  private settings: Settings | null = null;
  private state: State = 'opening';
  private networks = 0;
  private deviceLosses = 0;
  /** Step at which the network was opened. */
  private openedAt = 0;
  /** Whether the network that is being opened will play. */
  private playWhenOpen = false;
  /** The current pause for a measurement, and whether training continues after it. */
  private pausedRun: { session: Session; continues: boolean } | null = null;
  /** Resolves at the end of the last such pause. */
  private lastPausedRun: Promise<unknown> = Promise.resolve();
  private lastSentAt = 0;
  private sendTimer: ReturnType<typeof setTimeout> | null = null;
  private readonly samples = new Map<DataName, Promise<Samples>>();
  /** Classifications of the test images by each network. */
  private readonly testResults = new WeakMap<Session, TestResult>();
  /** Number of replicas that were reported as diverged. */
  private readonly divergedReplicas = new WeakMap<Session, number>();
  /** Last task: networks are opened and closed one after another. */
  private queue: Promise<unknown> = Promise.resolve();

  /** @param gpu `navigator.gpu` */
  constructor(
    private readonly gpu: GPU | undefined,
    private readonly checkpoints: Checkpoints,
    private readonly fetchSamples: (name: DataName) => Promise<Samples>,
  ) {}

  /** Must be called first. */
  connect(
    onSnapshot: PageEvents['onSnapshot'],
    onNotice: PageEvents['onNotice'],
    onFailure: PageEvents['onFailure'],
  ): void {
    this.events = { onSnapshot, onNotice, onFailure };
  }

  /** Shows a message in the page. */
  notice(message: string): void {
    this.events?.onNotice(message);
  }

  /** Address of the stored checkpoint, for a page that was opened without settings; null if there is none. */
  async lastAddress(): Promise<string | null> {
    return (await this.checkpoints.load())?.address ?? null;
  }

  /** Opens a network, at its checkpoint if there is one. @param options.restart removes the checkpoint first; default false */
  configure(settings: Settings, { play = false, restart = false } = {}): Promise<void> {
    if (this.settings) this.checkpoints.resetNotices();
    return this.enqueue(() => this.open(settings, { play, restart }));
  }

  /** Starts training; during a measurement, after it. Does nothing after a failure. */
  play(): void {
    if (!this.session || this.state === 'failed') return;
    if (this.pausedRun) this.pausedRun.continues = true;
    else this.session.play();
    this.setState(this.isPlaying ? 'training' : 'paused');
  }

  async pause(): Promise<void> {
    if (this.pausedRun) {
      this.pausedRun.continues = false;
      this.change();
    } else await this.session?.pause();
  }

  async step(): Promise<void> {
    if (this.pausedRun) {
      await this.pause();
      await this.lastPausedRun;
    }
    await this.session?.takeStep();
  }

  private get isPlaying(): boolean {
    return this.pausedRun ? this.pausedRun.continues : (this.session?.isPlaying ?? this.playWhenOpen);
  }

  /** See `Session.keepSoon`. */
  checkpointSoon(): void {
    this.session?.checkpointSoon();
  }

  /** The current network, which the methods below use. @throws DisposedError if there is none */
  get current(): Session {
    if (!this.session) throw new DisposedError('There is no network at the moment.');
    return this.session;
  }

  /** Weights of the first layer, of the first network. */
  filters() {
    return readFirstFilters(this.current.model);
  }

  /** Confusion matrix of the first network on the test images: [true class][predicted class]. */
  async testCounts(): Promise<number[][]> {
    const session = this.current;
    const result = await testModel(session.model, session.test, session.data.test.labels);
    this.testResults.set(session, result);
    return result.counts;
  }

  /** Images of a cell of the last `testCounts`. */
  imagesOfCell(truth: number, predicted: number) {
    const result = this.testResults.get(this.current);
    return result ? imagesOfCell(this.current.data.test, result, truth, predicted) : [];
  }

  testImage(index: number) {
    return testImage(this.current.data.test, index);
  }

  classify(pixels: Uint8Array) {
    return classifyImage(this.current.model, pixels);
  }

  /** Weights as a file, read between two steps, with the number of the step. */
  weightsFile() {
    return this.whilePaused(async ({ model, step }) => ({ bytes: await encodeWeights(model), step }));
  }

  nodeProgram() {
    const { model, settings, position } = this.current;
    return nodeProgram(model, settings, Math.max(1, position.epoch - 1));
  }

  hashes() {
    return this.current.hashes;
  }

  /** Resolves when no network is being opened or closed. */
  async idle(): Promise<void> {
    await this.queue;
  }

  /** Disposes network and device. */
  close(): Promise<void> {
    return this.enqueue(async () => {
      const { session, device } = this;
      this.session = this.device = null;
      await session?.dispose();
      device?.dispose();
    });
  }

  /** Measures the kernels of the network while training is paused. */
  measureKernels(): Promise<KernelTable> {
    return this.whilePaused((session) => measureKernels(session));
  }

  /** Compares a selected variant with the reference while training is paused. */
  compareWithReference(choice: Choice): Promise<Comparison> {
    return this.whilePaused((session) => compareWithReference(session, choice));
  }

  /** Runs `body` between two steps, after earlier calls; training continues afterwards if it was running. */
  private async whilePaused<T>(body: (session: Session) => Promise<T>): Promise<T> {
    const session = this.current;
    const done = this.lastPausedRun.then(() => this.runPaused(session, body));
    this.lastPausedRun = done.catch(() => {});
    return done;
  }

  private async runPaused<T>(session: Session, body: (session: Session) => Promise<T>): Promise<T> {
    if (session !== this.current) throw new DisposedError('The network was closed meanwhile.');
    const resting = { session, continues: session.isPlaying };
    this.pausedRun = resting;
    try {
      await session.pause();
      return await body(session);
    } finally {
      if (this.pausedRun === resting) this.endPause();
    }
  }

  private endPause(): void {
    const { pausedRun } = this;
    this.pausedRun = null;
    if (pausedRun?.continues && pausedRun.session === this.session) this.play();
  }

  private enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.queue.then(task);
    this.queue = done.catch(() => {});
    return done;
  }

  private async open(settings: Settings, { play, restart }: { play: boolean; restart: boolean }): Promise<void> {
    const { session } = this;
    let device: Device | null = null;
    this.session = this.pausedRun = null;
    this.settings = settings;
    this.playWhenOpen = play;
    this.setState('opening');
    try {
      await session?.dispose();
      if (restart) await this.checkpoints.remove();
      const fetched = this.fetch(settings.data);
      fetched.catch(() => {}); // handled below
      const on = await this.openDevice();
      device = on;
      const samples = await fetched;
      const create = () => new Session(on, settings, samples, this.sessionEvents(settings));
      const opened = create();
      this.session = (await this.restore(opened)) ? opened : create();
      this.networks++;
      this.openedAt = this.session.step;
      this.setState('paused');
      if (play) this.play();
      void this.session.compile();
    } catch (error) {
      // A lost device is opened again: see `openDevice`.
      if (!device || (device === this.device && !(error instanceof DeviceLostError))) this.fail(error);
    }
  }

  private async openDevice(): Promise<Device> {
    if (!this.device) {
      const device = await Device.open(this.gpu);
      this.device = device;
      device.gpu.lost.then(({ message }) => {
        if (this.device !== device) return;
        this.device = null;
        device.dispose();
        void this.enqueue(() => this.reopen(message));
      });
    }
    return this.device;
  }

  /** Opens the device again after it was lost, and continues from the last checkpoint. */
  private async reopen(reason: string): Promise<void> {
    const { session, settings } = this;
    if (!settings) return;
    const play = this.isPlaying;
    const step = session?.step ?? 0;
    this.deviceLosses = session && step > this.openedAt ? 1 : this.deviceLosses + 1;
    if (this.deviceLosses > MAX_LOSSES) {
      this.fail(new DeviceLostError(`the device was lost ${this.deviceLosses} times in a row: ${reason}`));
      return;
    }
    await this.open(settings, { play, restart: false });
    const at = this.session as Session | null;
    if (at) {
      this.notice(
        `The graphics device was lost (${reason || 'no reason was given'}) at step ${step}. It was opened again, and training continues from step ${at.step}.`,
      );
    }
  }

  private fetch(name: DataName): Promise<Samples> {
    let samples = this.samples.get(name);
    if (!samples) {
      samples = this.fetchSamples(name);
      this.samples.set(name, samples);
      samples.catch(() => this.samples.delete(name));
    }
    return samples;
  }

  /** Restores a session from its checkpoint, if there is one. @returns false if that failed and the session was disposed */
  private async restore(session: Session): Promise<boolean> {
    const checkpoint = await this.checkpoints.load();
    if (!checkpoint) return true;
    if (checkpoint.address !== addressOf(session.settings)) {
      // Only for the first network: users who change the settings expect it.
      if (this.networks === 0) {
        this.notice(
          `The checkpoint in this browser is of another network (${checkpoint.address}) and is not used; the first checkpoint of this one replaces it.`,
        );
      }
      return true;
    }
    try {
      await session.restore(checkpoint.state);
      return true;
    } catch (error) {
      if (error instanceof DeviceLostError) throw error;
      await session.dispose();
      this.notice(`The checkpoint in this browser cannot be used: ${messageOf(error)}`);
      return false;
    }
  }

  private sessionEvents(settings: Settings) {
    const address = addressOf(settings);
    return {
      onChange: () => this.change(),
      onCheckpoint: (state: TrainingState) => this.checkpoints.save(address, state),
      onFailure: (error: unknown) => {
        // A lost device is opened again: see `openDevice`.
        if (!(error instanceof DeviceLostError)) this.fail(error);
      },
    };
  }

  private fail(error: unknown): void {
    this.setState('failed');
    const missing = this.gpu ? 'adapter' : 'webgpu';
    this.events?.onFailure(messageOf(error), error instanceof AdapterError ? missing : null);
  }

  /** Reports replicas whose loss is no longer a number, and pauses if all are. */
  private reportDiverged(): void {
    const { session } = this;
    const losses = session?.curves.curves.train.at(-1)?.loss ?? [];
    const broken = losses.filter((loss) => !Number.isFinite(loss)).length;
    if (!session || broken <= (this.divergedReplicas.get(session) ?? 0)) return;
    this.divergedReplicas.set(session, broken);
    const stops = broken === losses.length && this.isPlaying;
    if (stops) void this.pause();
    const which = broken < losses.length ? ` of ${broken} of ${losses.length} networks` : ' of all networks';
    this.notice(
      `The loss${losses.length > 1 ? which : ''} is no longer a number after ${session.curves.curves.train.at(-1)!.step} steps${
        stops ? ', so training stopped' : ''
      }: choose a lower learning rate.`,
    );
  }

  private change(): void {
    this.reportDiverged();
    if (this.session && this.state !== 'opening' && this.state !== 'failed') {
      this.state = this.isPlaying ? 'training' : 'paused';
    }
    this.sendTimer ??= setTimeout(() => this.send(), Math.max(0, SNAPSHOT_MS - (performance.now() - this.lastSentAt)));
  }

  private setState(state: State): void {
    this.state = state;
    this.send();
  }

  private send(): void {
    if (this.sendTimer !== null) clearTimeout(this.sendTimer);
    this.sendTimer = null;
    this.lastSentAt = performance.now();
    const { session, settings, device } = this;
    if (!settings) return;
    this.events?.onSnapshot({
      ...{ state: this.state, settings, network: this.networks, isCompiled: session?.isCompiled ?? false },
      step: session?.step ?? 0,
      epoch: session?.position.epoch ?? 1,
      epochStep: session?.position.step ?? 0,
      stepsPerEpoch: session?.stepsPerEpoch ?? 0,
      parameters: session?.model.countParams() ?? 0,
      samplesPerSecond: session?.samplesPerSecond ?? null,
      curves: session?.curves.curves ?? { train: [], test: [] },
      adapter: device?.info.name ?? '',
    });
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
