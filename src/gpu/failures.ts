import { GpuError, type OutOfMemoryError, type ShaderError } from '../base/errors.ts';
import { Answers } from './answers.ts';

/**
 * Milliseconds after which all consequences of a refusal have been reported. Most implementations report errors in order; wgpu in Deno answers scopes at
 * once and sends the events for what no scope captured at a later turn of the event loop.
 */
const CONSEQUENCES_MS = 50;

/**
 * What went wrong on a device. WebGPU reports it late: each pipeline and buffer that is made is watched until the adapter has answered
 * whether it takes it. What was refused is thrown once, by the next call that touches the device, which stays usable; a lost device, and a
 * validation error that no refusal explains, are thrown by every call.
 */
export class Failures {
  /** What ends the use of the device. */
  private fatal: Error | null = null;
  private fatalThrown = false;
  /** What was refused, and is still to be thrown. */
  private refusal: Error | null = null;
  readonly answers = new Answers();
  private refusals = 0;
  /** Refusals whose consequences have all been reported. */
  private closed = 0;
  private disposed = false;
  /** What `settle` promised. */
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly gpu: GPUDevice,
    /** Submits what was encoded. */
    private readonly flush: () => void,
    /** Takes errors that tell of memory which ran out, but not for which buffer. */
    private readonly onOutOfMemory: (message: string) => void,
  ) {}

  /** Whether it ever refused anything. */
  get hasRefused(): boolean {
    return this.refusals > 0;
  }

  /** Throws what went wrong since the last call, if anything. */
  check(): void {
    if (this.fatal) {
      this.fatalThrown = true;
      throw this.fatal;
    }
    const { refusal } = this;
    this.refusal = null;
    if (refusal) throw refusal;
  }

  /** Settles once everything made so far is answered, or the use of the device has ended; `check` then throws what went wrong. */
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

  /** Settles once everything made so far is answered. */
  answered(): Promise<void> {
    return new Promise((resolve) => this.answers.after(resolve));
  }

  /** Ends the use of the device. */
  fail(error: Error): void {
    this.fatal ??= error;
    this.resolveWaits();
  }

  /**
   * Reports a refused pipeline or buffer, to be thrown once. Whatever uses it is invalid, and so is what uses that: until a scope that is
   * opened after the last of them is answered, and a little longer, validation errors are consequences.
   */
  refuse(error: ShaderError | OutOfMemoryError): void {
    if (this.disposed) return;
    this.refusal ??= error;
    this.refusals++;
    this.flush();
    this.gpu.pushErrorScope('validation');
    const reported = this.gpu.popErrorScope().then(() => new Promise((done) => setTimeout(done, CONSEQUENCES_MS)));
    this.answers.watch(reported, () => {
      this.closed++;
    });
  }

  /** Takes an error that no scope was open for. */
  handleUncaptured(error: GPUError): void {
    if (isOutOfMemory(error)) {
      this.onOutOfMemory(textOf(error));
      return;
    }
    const failure = new GpuError(textOf(error));
    const { closed } = this;
    // Implementations word them differently, so the class decides.
    const mayFollow = !/Internal/.test(error.constructor.name) && (this.answers.outstanding || this.refusals > closed);
    if (!mayFollow) this.fail(failure);
    else this.answers.after(() => this.refusals > closed || this.fail(failure));
  }

  /** From now on nothing is reported. @returns what nobody was told of */
  close(): Error | null {
    this.disposed = true;
    this.resolveWaits();
    return this.refusal ?? (this.fatalThrown ? null : this.fatal);
  }
}

/** What an error says: naga begins with an empty line, and an implementation may say nothing. */
export const textOf = (error: GPUError): string => `${error.message ?? ''}`.trim() || error.constructor.name;

const isOutOfMemory = (error: GPUError): boolean =>
  error.constructor.name.includes('OutOfMemory') || /out of memory/i.test(`${error.constructor.name} ${error.message}`);
