import { toPrintable } from './printable.ts';

/**
 * Base class of the errors that tilegrad throws on purpose. A message states the rule, what was given and what to do next.
 * Control characters in a message are escaped, because file names and paths in it could act on a terminal.
 * `code` is stable, for programs; `exitCode` is the exit status of the command line (1 failed, 2 wrong usage).
 */
export class TilegradError extends Error {
  /** Stable name of the kind of error, for programs: `SHAPE`, `ARGUMENT`, `DATA`, ... */
  readonly code: string = 'TILEGRAD';
  /** Exit status of the command line: 1 if something failed, 2 if the command was wrong. */
  readonly exitCode: 1 | 2 = 1;
  /** Set in each class, because bundlers rename the classes themselves. */
  override readonly name: string = 'TilegradError';
  /** @param options.cause the error behind this one, as for `Error` */
  constructor(message: string, options?: ErrorOptions) {
    super(toPrintable(String(message ?? '')), options);
  }
}

/** Shapes or ranks that do not match; the message shows every shape involved. */
export class ShapeError extends TilegradError {
  override readonly code = 'SHAPE';
  override readonly name = 'ShapeError';
}

/** An argument outside its legal range or of the wrong type. */
export class ArgumentError extends TilegradError {
  override readonly code: string = 'ARGUMENT';
  override readonly name: string = 'ArgumentError';
}

/** A command-line mistake: unknown experiment, option or data set. */
export class UsageError extends ArgumentError {
  override readonly code = 'USAGE';
  override readonly name = 'UsageError';
  override readonly exitCode = 2;
}

/** A data file that is missing, truncated, corrupt or holds impossible values. */
export class DataError extends TilegradError {
  override readonly code = 'DATA';
  override readonly name = 'DataError';
}

/** A file or folder that cannot be read or written. */
export class FileError extends TilegradError {
  override readonly code = 'FILE';
  override readonly name = 'FileError';
}

/** No WebGPU adapter, or one that is too small for the request. */
export class AdapterError extends TilegradError {
  override readonly code = 'ADAPTER';
  override readonly name = 'AdapterError';
}

/** WGSL that does not compile or a pipeline that cannot be created; the message shows the line. */
export class ShaderError extends TilegradError {
  override readonly code = 'SHADER';
  override readonly name = 'ShaderError';
}

/** The GPU refused a command: a validation error, which is a bug in the caller or in tilegrad. */
export class GpuError extends TilegradError {
  override readonly code: string = 'GPU';
  override readonly name: string = 'GpuError';
}

/** The adapter has no memory left for a buffer. */
export class OutOfMemoryError extends GpuError {
  override readonly code = 'OUT_OF_MEMORY';
  override readonly name = 'OutOfMemoryError';
}

/** The device was lost (driver reset, machine asleep) or disposed, with everything on it. */
export class DeviceLostError extends GpuError {
  override readonly code = 'DEVICE_LOST';
  override readonly name = 'DeviceLostError';
}

/** A tensor, program or device used after it was disposed. */
export class DisposedError extends TilegradError {
  override readonly code = 'DISPOSED';
  override readonly name = 'DisposedError';
}

/** An optional npm package that is not installed or does not load; the message shows the command that installs it. */
export class MissingPackageError extends TilegradError {
  override readonly code = 'MISSING_PACKAGE';
  override readonly name = 'MissingPackageError';
}

/** The server with the job queue cannot be reached, or refuses the connection. */
export class QueueError extends TilegradError {
  override readonly code = 'QUEUE';
  override readonly name = 'QueueError';
}

/** A job that failed on a worker and will not be retried; the message shows the reason and the last lines that the job printed. */
export class JobError extends TilegradError {
  override readonly code = 'JOB';
  override readonly name = 'JobError';
}

/** A search that stopped because too many consecutive trials failed; the message shows the last reason. */
export class SearchError extends TilegradError {
  override readonly code = 'SEARCH';
  override readonly name = 'SearchError';
}

/** Work stopped on request (Ctrl-C or an AbortSignal); results so far are kept. */
export class AbortedError extends TilegradError {
  override readonly code = 'ABORTED';
  override readonly name = 'AbortedError';
}
