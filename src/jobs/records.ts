import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ArgumentError } from '../base/errors.ts';

// What stands in the queue's server, as JSON. Everything that is read from there is checked: anybody may have written it.

/** Grows whenever a record changes its meaning: workers and coordinators of different versions never meet. */
const PROTOCOL = 1;
/** What all keys begin with. */
export const PREFIX = 'tilegrad';

/** One thing a job needs of a worker, such as a data set: `id` must be equal, `text` says what it is. */
export const capability = z.strictObject({ id: z.string().max(200), text: z.string().max(500) });
export type Capability = z.infer<typeof capability>;

/** What a job needs of a worker, by name. */
export const needs = z.record(z.string().max(100), capability);
export type Needs = z.infer<typeof needs>;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Binary attachments by name, each a key of its own that is named after its content. */
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

/** The queue of all jobs with the same needs: a worker that lacks one of them never sees its jobs. */
export function queueName(all: Needs): string {
  const sorted = Object.entries(all)
    .map(([name, { id }]) => [name, id])
    .sort(([a], [b]) => (a! < b! ? -1 : 1));
  return `v${PROTOCOL}-${createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16)}`;
}

/** The id of a job: the same computation has the same one. @throws ArgumentError */
export function jobId(kind: string, key: string): string {
  const id = `${kind}-${key}`;
  if (!/^[a-z][a-z0-9]*$/.test(kind) || !/^[\w.-]{1,200}$/.test(key)) {
    throw new ArgumentError(
      `queue: "${id}" cannot name a job: a kind is small letters and digits, a key 1 to 200 letters, digits, hyphens, dots and underscores`,
    );
  }
  return id;
}

/** JSON text as a record of a kind; null for anything else. */
export function parseRecord<T>(schema: z.ZodType<T>, text: string | null | undefined): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text ?? ''));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The first thing that is wrong with a value, in a line. */
export function issueText({ issues: [issue] }: z.ZodError): string {
  const where = issue!.path.length > 0 ? `${issue!.path.join('.')}: ` : '';
  return `${where}${issue!.message}`;
}
