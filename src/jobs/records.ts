import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ArgumentError } from '../base/errors.ts';

// Records in the queue's server, as JSON. Everything that is read from there is checked, because anybody may have written it.

/** Increased when a record changes its meaning, so that workers and coordinators of different versions use different queues. */
const PROTOCOL = 1;
/** Prefix of all keys. */
export const PREFIX = 'tilegrad';

/** Something that a worker has and a job may need, such as a data set: `id` must be equal, `text` describes it. */
export const capability = z.strictObject({ id: z.string().max(200), text: z.string().max(500) });
export type Capability = z.infer<typeof capability>;

/** What a worker must have for a job, by name. */
export const needs = z.record(z.string().max(100), capability);
export type Needs = z.infer<typeof needs>;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Binary attachments by name; each is stored under the hash of its content. */
export const attachments = z.record(
  z.string().max(300),
  z.strictObject({ sha256, size: z.number().int().nonnegative() }),
);
export type Attachments = z.infer<typeof attachments>;

/** What a coordinator puts into a job. */
export const jobData = z.strictObject({ payload: z.unknown(), files: attachments });

/** Who did a job. */
export const workerInfo = z.strictObject({ id: z.string(), name: z.string(), adapter: z.string() });
export type WorkerInfo = z.infer<typeof workerInfo>;

/** What a worker puts into a finished job. */
export const jobResult = z.strictObject({
  value: z.unknown(),
  files: attachments,
  worker: workerInfo,
  /** Wall time of the handler. */
  seconds: z.number(),
});

/** Why a job failed, as the worker wrote it into the job's reason. */
export const jobFailure = z.strictObject({ code: z.string(), message: z.string(), worker: workerInfo });

/** A queue that a coordinator has announced. */
export const announcement = z.strictObject({ needs, at: z.number() });

/** Why a worker takes no jobs from a queue. */
export const refusal = z.strictObject({ worker: workerInfo, reason: z.string() });

export const keys = {
  /** Hash: announcements by name of the queue. */
  queues: `${PREFIX}-queues`,
  /** Sorted set: ids of workers by the time until which they count as alive, in ms of the server's clock. */
  alive: `${PREFIX}-alive`,
  /** Hash: `WorkerInfo` by id. */
  workers: `${PREFIX}-workers`,
  /** Hash: refusals by worker. */
  refusals: (queue: string) => `${PREFIX}-refusals:${queue}`,
  file: (hash: string) => `${PREFIX}-file:${hash}`,
};

/** Returns the name of the queue of all jobs with the same needs: a worker that lacks one of them never sees its jobs. */
export function queueName(required: Needs): string {
  const sorted = Object.entries(required)
    .map(([name, { id }]) => [name, id])
    .sort(([a], [b]) => (a! < b! ? -1 : 1));
  return `v${PROTOCOL}-${createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16)}`;
}

/** Returns the id of a job, the same for the same computation. @throws ArgumentError for an invalid kind or key */
export function jobId(kind: string, key: string): string {
  const id = `${kind}-${key}`;
  if (!/^[a-z][a-z0-9]*$/.test(kind) || !/^[\w.-]{1,200}$/.test(key)) {
    throw new ArgumentError(
      `queue: "${id}" cannot name a job: a kind is lowercase letters and digits, a key 1 to 200 letters, digits, hyphens, dots and underscores`,
    );
  }
  return id;
}

/** Parses JSON text as a record; null for anything else. */
export function parseRecord<T>(schema: z.ZodType<T>, text: string | null | undefined): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text ?? ''));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Describes the first error of a value in one line. */
export function issueText({ issues: [issue] }: z.ZodError): string {
  const prefix = issue!.path.length > 0 ? `${issue!.path.join('.')}: ` : '';
  return `${prefix}${issue!.message}`;
}
