import type { Job, Queue } from 'bullmq';
import type { z } from 'zod';
import { DataError, JobError } from '../base/errors.ts';
import { issueText, jobFailure, jobResult, parseRecord } from './records.ts';

/** Lines of a failed job's output that its error shows. */
const SHOWN_LINES = 20;

/** Returns the result of a finished job; a JobError if it failed; a DataError for a result that no worker of tilegrad wrote. */
export async function outcomeOf(
  queue: Queue,
  job: Job,
  state: 'completed' | 'failed',
): Promise<z.infer<typeof jobResult> | Error> {
  if (state === 'failed') return failureOf(queue, job);
  const result = jobResult.safeParse(job.returnvalue);
  if (result.success) return result.data;
  return new DataError(
    `queue: the result of ${job.id} is not one that a worker of tilegrad writes: ${issueText(result.error)}; remove the job, and check which other programs use that server`,
  );
}

async function failureOf(queue: Queue, job: Job): Promise<JobError> {
  const failure = parseRecord(jobFailure, job.failedReason);
  const { logs } = await queue.getJobLogs(job.id!);
  const reason = failure
    ? `failed on worker ${failure.worker.name} (${failure.worker.adapter}): ${failure.message}`
    : `failed: ${job.failedReason}`;
  const lastLines = logs.slice(-SHOWN_LINES);
  const output = lastLines.length > 0 ? `\nThe last lines that it printed:\n${lastLines.join('\n')}` : '';
  return new JobError(`${job.id} ${reason}${output}`);
}
