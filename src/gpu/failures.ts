import { GpuError, type OutOfMemoryError, type ShaderError } from '../base/errors.ts';
import { Answers } from './answers.ts';

/**
 * Milliseconds after which all consequences of a refusal have been reported. Most implementations report errors in order. wgpu in Deno
 * resolves scopes at once, and sends events for uncaptured errors in a later turn of the event loop.
 */
const CONSEQUENCES_MS = 50;

/**
 * Errors of a device. WebGPU reports them late, so each new pipeline and buffer is watched until the adapter has accepted or refused it.
 * A refusal is thrown once, by the next call that uses the device, which stays usable. Every call throws if the device is lost, or after
 * a validation error that no refusal explains.
 */
export class Failures {
  /** The error that makes the device unusable. */
  private fatal: Error | null = null;
  private fatalThrown = false;
  /** The first refusal that was not thrown yet. */
  private refusal: Error | null = null;
  readonly answers = new Answers();
  private refusals = 0;
  /** Refusals whose consequences have all been reported. */
  private reportedRefusals = 0;
  private disposed = false;
  /** Pending promises of `answeredOrClosed`. */
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly gpu: GPUDevice,
    /** Submits the encoded commands. */
    private readonly flush: () => void,
    /** Receives out-of-memory errors that do not name a buffer. */
    private readonly onOutOfMemory: (message: string) => void,
  ) {}

  /** Whether the adapter ever refused anything. */
  get hasRefused(): boolean {
    return this.refusals > 0;
  }

  /** @throws the first error since the last call, if any */
  check(): void {
    if (this.fatal) {
      this.fatalThrown = true;
      throw this.fatal;
    }
    const { refusal } = this;
    this.refusal = null;
    if (refusal) throw refusal;
  }

  /** Resolves when everything made so far is answered, or the device has become unusable; `check` then throws the error. */
  answeredOrClosed(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.add(resolve);
      if (this.fatal || this.disposed) this.resolveWaits();
      else void this.answered().then(() => this.waiting.delete(resolve) && resolve());
    });
  }

  private resolveWaits(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  /** Resolves when everything made so far is answered. */
  answered(): Promise<void> {
    return new Promise((resolve) => this.answers.after(resolve));
  }

  /** Makes the device unusable. */
  fail(error: Error): void {
    this.fatal ??= error;
    this.resolveWaits();
  }

  /**
   * Reports a refused pipeline or buffer, to be thrown once. Commands that use it are invalid, and so are those that use their results.
   * Validation errors count as consequences until a scope that is opened now is answered, and 50 ms longer.
   */
  refuse(error: ShaderError | OutOfMemoryError): void {
    if (this.disposed) return;
    this.refusal ??= error;
    this.refusals++;
    this.flush();
    this.gpu.pushErrorScope('validation');
    const reported = this.gpu.popErrorScope().then(() => new Promise((done) => setTimeout(done, CONSEQUENCES_MS)));
    this.answers.watch(reported, () => {
      this.reportedRefusals++;
    });
  }

  /** Handles an error that no scope captured. */
  handleUncaptured(error: GPUError): void {
    if (isOutOfMemory(error)) {
      this.onOutOfMemory(textOf(error));
      return;
    }
    const failure = new GpuError(textOf(error));
    const { reportedRefusals } = this;
    // The class decides, because implementations have different messages.
    const mayFollow =
      !/Internal/.test(error.constructor.name) && (this.answers.outstanding || this.refusals > reportedRefusals);
    if (!mayFollow) this.fail(failure);
    else this.answers.after(() => this.refusals > reportedRefusals || this.fail(failure));
  }

  /** Stops reporting errors. @returns the error that no call has thrown, if any */
  close(): Error | null {
    this.disposed = true;
    this.resolveWaits();
    return this.refusal ?? (this.fatalThrown ? null : this.fatal);
  }
}

/** Text of an error. naga's begin with an empty line; if there is no text, the class's name. */
export const textOf = (error: GPUError): string => `${error.message ?? ''}`.trim() || error.constructor.name;

const isOutOfMemory = (error: GPUError): boolean =>
  error.constructor.name.includes('OutOfMemory') || /out of memory/i.test(`${error.constructor.name} ${error.message}`);
