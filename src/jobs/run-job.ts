import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { z } from 'zod';
import type { TilegradError } from '../base/errors.ts';
import { toPrintableLine } from '../base/printable.ts';
import { getFile, putFiles } from './files.ts';
import { CannotRunJob, type Handler, type JobContext, WorkerBroken } from './handler.ts';
import type { KeepAlive } from './keep-alive.ts';
import { issueText, jobData, type jobFailure, type jobResult, type WorkerInfo } from './records.ts';
import { retryOnReconnect } from './retry-on-reconnect.ts';
import { MAX_STALLS } from './stall.ts';

/** What `runJob` needs. */
export interface JobRun {
  client: Redis;
  keepAlive: KeepAlive;
  info: WorkerInfo;
  handlers: ReadonlyMap<string, Handler>;
  print(text: string): void;
  /** Aborts when the worker is to end. */
  signal: AbortSignal;
  worker: Worker;
  /** The name of the lock. */
  token: string;
  lockMs: number;
}

/** Result of an attempt. `dropped`: another worker has the job or finished it. `returned`: it went back to the queue. */
export type Outcome = 'none' | 'done' | 'failed' | 'dropped' | 'returned' | { cannotDo: string };

/** Takes a job from a queue and runs it. @throws the cause of a WorkerBroken, after the job went back */
export async function runJob(run: JobRun): Promise<Outcome> {
  const { worker, token, print } = run;
  let job: Job | undefined;
  try {
    job = await retryOnReconnect(() => worker.getNextJob(token, { block: false }), run.signal);
  } catch (error) {
    const id = await dropUnreadable(run);
    if (id === null) throw error;
    print(`Dropped the job ${toPrintableLine(id)}: it is garbage (${toPrintableLine((error as Error).message)})`);
    return 'failed';
  }
  if (!job?.id) return 'none';
  const lost = new AbortController();
  run.keepAlive.hold(
    {
      ...{ token, jobId: job.id, lockMs: run.lockMs, lockKey: `${worker.toKey(job.id)}:lock` },
      ...{ activeKey: worker.toKey('active'), stalledKey: worker.toKey('stalled') },
    },
    () => lost.abort(),
  );
  try {
    return await attempt(run, job, lost.signal);
  } catch (error) {
    if (!isLostJobError(error)) throw error;
    print(
      `The result of ${job.id} is dropped: there was no sign of this worker for too long, and another one got the job`,
    );
    return 'dropped';
  } finally {
    run.keepAlive.release(token);
  }
}

/** Whether an error is BullMQ's answer for a job that is gone, finished, or locked by another worker. */
const isLostJobError = (error: unknown) => [-1, -2, -3, -6].includes((error as { code?: unknown })?.code as number);

async function attempt(run: JobRun, job: Job, lost: AbortSignal): Promise<Outcome> {
  const { token, print, info, client } = run;
  if (job.deferredFailure) {
    await fail(run, job, 'STALLED', `${MAX_STALLS + 1} workers were lost while they ran it`);
    return 'failed';
  }
  const data = jobData.safeParse(job.data);
  const handler = run.handlers.get(job.name);
  const payload = data.success ? handler?.payload.safeParse(data.data.payload) : undefined;
  if (!handler || !data.success || !payload?.success) {
    const error = data.error ?? payload?.error;
    const reason = error ? issueText(error) : `there is no kind ${toPrintableLine(job.name).slice(0, 60)}`;
    print(`Dropped the job ${toPrintableLine(job.id!)}: it is garbage (${reason})`);
    await fail(run, job, 'GARBAGE', `it is garbage: ${reason}`);
    return 'failed';
  }
  const { files } = data.data;
  const printed: Promise<unknown>[] = [];
  const context: JobContext = {
    ...{ key: job.id!.slice(job.name.length + 1), files, fileNames: Object.keys(files) },
    signal: AbortSignal.any([run.signal, lost]),
    print: (line) => void printed.push(job.log(line).catch(() => {})),
    file: (name) => retryOnReconnect(() => getFile(client, name, files[name]!), run.signal),
  };
  const startTime = performance.now();
  try {
    const output = await handler.run(payload.data, context);
    const value = handler.result.safeParse(output.value);
    if (!value.success) {
      throw new Error(`the handler's result is not of its kind: ${issueText(value.error)}`);
    }
    const result: z.infer<typeof jobResult> = {
      value: value.data,
      files: await retryOnReconnect(() => putFiles(client, output.files ?? {}), run.signal),
      worker: info,
      seconds: (performance.now() - startTime) / 1000,
    };
    await Promise.all(printed);
    await retryOnReconnect(() => job.moveToCompleted(result, token, false), run.signal);
    return 'done';
  } catch (error) {
    if (isLostJobError(error)) throw error;
    await Promise.all(printed);
    const broken = error instanceof WorkerBroken ? error : undefined;
    if (broken || error instanceof CannotRunJob || context.signal.aborted) {
      await retryOnReconnect(() => job.moveToWait(token), run.signal);
      if (broken) throw broken.cause;
      if (error instanceof CannotRunJob) return { cannotDo: error.message };
      print(`${job.id} went back to the queue`);
      return 'returned';
    }
    const { code = 'INTERNAL', message = String(error) } = (error ?? {}) as Partial<TilegradError>;
    print(`${job.id} failed: ${toPrintableLine(message)}`);
    await fail(run, job, String(code), message);
    return 'failed';
  }
}

async function fail({ info, token, signal }: JobRun, job: Job, code: string, message: string): Promise<void> {
  const failure: z.infer<typeof jobFailure> = { code, message, worker: info };
  const error = new Error(JSON.stringify(failure));
  error.stack = ''; // it contains paths of this machine, which do not help a coordinator
  await retryOnReconnect(() => job.moveToFailed(error, token, false), signal);
}

/** Removes a job that was just taken and cannot be read. @returns its id, null if there is none */
async function dropUnreadable({ client, worker, token }: JobRun): Promise<string | null> {
  for (const id of await client.lrange(worker.toKey('active'), 0, -1)) {
    const key = worker.toKey(id);
    if ((await client.get(`${key}:lock`)) !== token) continue;
    await client.lrem(worker.toKey('active'), 0, id);
    await client.del(key, `${key}:lock`, `${key}:logs`);
    return id;
  }
  return null;
}
