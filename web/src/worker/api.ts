import {
  AdapterError,
  ArgumentError,
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
/** Losses of the device in a row, without a step between them, that training is taken up again after. */
const MOST_LOSSES = 3;

/** What the worker calls in the page. */
export interface PageEvents {
  onSnapshot(snapshot: Snapshot): void;
  /** Something to be said once, such as a checkpoint that is not used. */
  onNotice(message: string): void;
  /** Nothing can be trained. @param missing what of WebGPU, which the page explains; null where it is something else */
  onFailure(message: string, missing: Missing | null): void;
}

/** What the page calls in the worker, through comlink. One network at a time; panels add methods at the end. */
export class Api {
  private events: PageEvents | null = null;
  device: Device | null = null;
  private session: Session | null = null;
  private settings: Settings | null = null;
  private state: State = 'opening';
  private networks = 0;
  private losses = 0;
  private lostAtStep = -1;
  private sent = 0;
  private pending: ReturnType<typeof setTimeout> | null = null;
  private readonly samples = new Map<DataName, Promise<Samples>>();
  /** What each network took the test images for. */
  private readonly tested = new WeakMap<Session, TestResult>();
  /** Networks are opened and closed one after another. */
  private queue: Promise<unknown> = Promise.resolve();

  /** @param gpu `navigator.gpu` */
  constructor(
    private readonly gpu: GPU | undefined,
    private readonly checkpoints: Checkpoints,
    private readonly fetchSamples: (name: DataName) => Promise<Samples>,
  ) {}

  /** To be called first. */
  connect(
    onSnapshot: PageEvents['onSnapshot'],
    onNotice: PageEvents['onNotice'],
    onFailure: PageEvents['onFailure'],
  ): void {
    this.events = { onSnapshot, onNotice, onFailure };
  }

  /** Says something in the page. */
  notice(message: string): void {
    this.events?.onNotice(message);
  }

  /** The address of the checkpoint that is kept, for a page that was opened without settings; null if there is none. */
  async lastAddress(): Promise<string | null> {
    return (await this.checkpoints.load())?.address ?? null;
  }

  /** Opens a network, at its checkpoint if there is one, else at its beginning. */
  configure(settings: Settings, { play = false, anew = false } = {}): Promise<void> {
    return this.enqueue(() => this.open(settings, { play, anew }));
  }

  play(): void {
    if (!this.session) return;
    this.session.play();
    this.setState(this.session.isPlaying ? 'training' : 'paused');
  }

  async pause(): Promise<void> {
    await this.session?.pause();
  }

  async step(): Promise<void> {
    await this.session?.takeStep();
  }

  /** See `Session.keepSoon`. */
  keepSoon(): void {
    this.session?.keepSoon();
  }

  /** What panels compute from; they add methods below. @throws DisposedError while there is no network */
  get current(): Session {
    if (!this.session) throw new DisposedError('There is no network at the moment.');
    return this.session;
  }

  /** Weights of the first layer, of the first network. */
  filters() {
    return readFirstFilters(this.current.model);
  }

  /** How often the first network takes each class of the test images for each: [true class][predicted class]. */
  async testCounts(): Promise<number[][]> {
    const session = this.current;
    const result = await testModel(session.model, session.test, session.data.test.labels);
    this.tested.set(session, result);
    return result.counts;
  }

  /** The images of a cell of the last `testCounts`. */
  imagesOfCell(truth: number, predicted: number) {
    const result = this.tested.get(this.current);
    return result ? imagesOfCell(this.current.data.test, result, truth, predicted) : [];
  }

  testImage(index: number) {
    return testImage(this.current.data.test, index);
  }

  classify(pixels: Uint8Array) {
    return classifyImage(this.current.model, pixels);
  }

  async weightsFile() {
    const { model, step } = this.current;
    return { bytes: await encodeWeights(model), step };
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

  /** Ends everything. */
  close(): Promise<void> {
    return this.enqueue(async () => {
      const { session, device } = this;
      this.session = this.device = null;
      await session?.dispose();
      device?.dispose();
    });
  }

  /** The kernels of the network, measured while its training rests. */
  measureKernels(): Promise<KernelTable> {
    return this.atRest((session) => measureKernels(session));
  }

  /** A variant that was chosen beside the reference, while the training rests. */
  compareWithReference(choice: Choice): Promise<Comparison> {
    return this.atRest((session) => compareWithReference(session, choice));
  }

  /** Runs `body` between two steps; then the training goes on, if it did. */
  private async atRest<T>(body: (session: Session) => Promise<T>): Promise<T> {
    const session = this.current;
    const { isPlaying } = session;
    await session.pause();
    try {
      return await body(session);
    } finally {
      if (isPlaying && session === this.session) this.play();
    }
  }

  private enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.queue.then(task);
    this.queue = done.catch(() => {});
    return done;
  }

  private async open(settings: Settings, { play, anew }: { play: boolean; anew: boolean }): Promise<void> {
    const { session } = this;
    this.session = null;
    this.settings = settings;
    this.setState('opening');
    await session?.dispose();
    try {
      if (anew) await this.checkpoints.remove();
      const [device, samples] = await Promise.all([this.openDevice(), this.fetch(settings.data)]);
      const create = () => new Session(device, settings, samples, this.sessionEvents(settings));
      const opened = create();
      this.session = (await this.restore(opened)) ? opened : create();
      this.networks++;
      this.setState('paused');
      if (play) this.play();
      void this.session.compile();
    } catch (error) {
      // A lost device is opened again: see `openDevice`.
      if (!(error instanceof DeviceLostError)) this.fail(error);
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

  /** Goes on from the last checkpoint after the device was lost. */
  private async reopen(reason: string): Promise<void> {
    const { session, settings } = this;
    if (!settings) return;
    const play = session?.isPlaying ?? false;
    const step = session?.step ?? 0;
    this.losses = step > this.lostAtStep ? 1 : this.losses + 1;
    this.lostAtStep = step;
    if (this.losses > MOST_LOSSES) {
      this.fail(new DeviceLostError(`the device was lost ${this.losses} times in a row: ${reason}`));
      return;
    }
    await this.open(settings, { play, anew: false });
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

  /** Takes a session to its checkpoint, if there is one. @returns false where that failed, and the session is of no more use */
  private async restore(session: Session): Promise<boolean> {
    const checkpoint = await this.checkpoints.load();
    if (!checkpoint) return true;
    if (checkpoint.address !== addressOf(session.settings)) {
      // Whoever changes the settings of a page need not be told.
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
      if (!(error instanceof ArgumentError)) throw error;
      await session.dispose();
      this.notice(`The checkpoint in this browser cannot be used: ${error.message}`);
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
    const message = error instanceof Error ? error.message : String(error);
    const missing = this.gpu ? 'adapter' : 'webgpu';
    this.events?.onFailure(message, error instanceof AdapterError ? missing : null);
  }

  private change(): void {
    if (this.session && this.state !== 'opening' && this.state !== 'failed') {
      this.state = this.session.isPlaying ? 'training' : 'paused';
    }
    this.pending ??= setTimeout(() => this.send(), Math.max(0, SNAPSHOT_MS - (performance.now() - this.sent)));
  }

  private setState(state: State): void {
    this.state = state;
    this.send();
  }

  private send(): void {
    if (this.pending !== null) clearTimeout(this.pending);
    this.pending = null;
    this.sent = performance.now();
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
