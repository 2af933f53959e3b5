import { z } from 'zod';
import { checkFunction, checkOptions } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import type { Attachments } from './records.ts';

/** What a handler gets in addition to the payload. */
export interface JobContext {
  /** The key of the computation. */
  key: string;
  /** Aborts if the worker is to end or another worker has the job: the handler must then throw soon. */
  signal: AbortSignal;
  /** Stores a line with the job, for its coordinator. */
  print(line: string): void;
  /** Names of the attachments. */
  fileNames: readonly string[];
  /** The attachments by name, with the hashes of their content. */
  files: Attachments;
  /** Reads an attachment. @throws QueueError if it is gone */
  file(name: string): Promise<Uint8Array>;
}

/** What a handler returns: plain JSON, and binary data by name. */
export interface JobOutput<R> {
  value: R;
  files?: Readonly<Record<string, Uint8Array>>;
}

/** How a worker does jobs of a kind. */
export interface Handler<P = unknown, R = unknown> {
  /** Lowercase letters and digits. */
  kind: string;
  payload: z.ZodType<P>;
  result: z.ZodType<R>;
  run(payload: P, context: JobContext): Promise<JobOutput<R>>;
}

/** Checks a handler and returns it with a type that fits into a list of handlers of all kinds. */
export function defineHandler<P, R>(handler: Handler<P, R>): Handler {
  checkOptions('handler', handler, { kind: 0, payload: 0, result: 0, run: 0 });
  if (typeof handler.kind !== 'string' || !/^[a-z][a-z0-9]*$/.test(handler.kind)) {
    throw new ArgumentError(`handler: kind must be lowercase letters and digits, but is ${String(handler.kind)}`);
  }
  checkFunction(`handler ${handler.kind}: run`, handler.run);
  for (const field of ['payload', 'result'] as const) {
    if (!(handler[field] instanceof z.ZodType))
      throw new ArgumentError(`handler ${handler.kind}: ${field} must be a zod schema`);
  }
  return handler as unknown as Handler;
}

/** Thrown by a handler if this worker cannot do jobs with these needs: the job goes back to the queue. */
export class CannotRunJob extends Error {}

/** Thrown by a handler if the worker cannot continue, for example after its GPU was lost: the job goes back, and `serve` throws the cause. */
export class WorkerBroken extends Error {
  constructor(override readonly cause: Error) {
    super(cause.message);
  }
}
