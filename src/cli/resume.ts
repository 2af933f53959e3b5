import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, FileError, UsageError } from '../base/errors.ts';
import { withFileErrors } from '../io/files.ts';
import { adapterText } from '../report/format.ts';
import { hasReport, readRunRecord } from '../report/report-files.ts';
import type { RunRecord, RunRequest } from '../report/run-record.ts';
import type { RunOptions } from './options.ts';
import { whyLocked } from './run-lock.ts';
import type { RunTarget } from './run-target.ts';
import { nameOf, repeatCommand, resumeCommand } from './settings.ts';

/** A run to resume. */
export interface ResumedRun {
  folder: string;
  record: RunRecord;
}

/**
 * Returns the run that `--resume` names: the given folder, or the newest unfinished run of that id in `out` that no process is running.
 * A run without a report counts as unfinished.
 * @param note called with each newer run that was skipped, and why
 * @throws UsageError if there is none, or if the given one is of another experiment or still running; FileError if `out` cannot be
 * read; FileError or DataError for the record of a given folder
 */
export function findRun(
  { id, file }: Pick<RunTarget, 'id' | 'file'>,
  resume: string | true,
  out: string,
  note: (message: string) => void,
): ResumedRun {
  if (resume !== true) {
    const record = readRunRecord(resume);
    if (record.id !== id) {
      throw new UsageError(
        `--resume ${resume}: this is a run of ${record.id}, not of ${id}. Resume it with \`${resumeCommand(record.request, resume)}\`.`,
      );
    }
    const locked = whyLocked(resume);
    if (locked !== null) throw new UsageError(`--resume ${resume}: ${locked}`);
    return { folder: resume, record };
  }
  const skipped: string[] = [];
  for (const folder of runFolders(out, id)) {
    const found = readResumable(folder, id);
    if (typeof found === 'string') skipped.push(`${folder} was skipped: ${found}`);
    else if (found) {
      for (const text of skipped) note(`--resume: ${text}`);
      return { folder, record: found };
    }
  }
  throw new UsageError(
    [
      `--resume: there is no unfinished run of ${id} in ${out}. Name its folder, or start one with \`npx tilegrad run ${nameOf({ id, file })}\`.`,
      ...skipped,
    ].join('\n  '),
  );
}

/** Returns the folders whose names are those of runs of that id, the newest first. @throws FileError */
function runFolders(out: string, id: string): string[] {
  const folderNames = withFileErrors('read', out, () =>
    existsSync(out) && statSync(out).isDirectory() ? readdirSync(out) : [],
  );
  return folderNames
    .filter((name) => new RegExp(`-${id}(-\\d+)?$`).test(name))
    .sort()
    .reverse()
    .map((name) => join(out, name));
}

/** Returns the record of a run that can be resumed, the reason if it cannot, or null if it is finished or of another id. */
function readResumable(folder: string, id: string): RunRecord | string | null {
  try {
    const record = readRunRecord(folder);
    if (record.id !== id || (record.status === 'finished' && hasReport(folder))) return null;
    return whyLocked(folder) ?? record;
  } catch (error) {
    // A damaged run must not prevent resuming another one.
    if (error instanceof DataError || error instanceof FileError) return error.message;
    throw error;
  }
}

const OPTION_NAMES: [keyof RunRequest & keyof RunOptions, string][] = [
  ['scale', '--scale'],
  ['seed', '--seed'],
  ['epochs', '--epochs'],
  ['batchSize', '--batch'],
  ['learningRate', '--lr'],
  ['replicas', '--replicas'],
  ['limit', '--limit'],
  ['short', '--short'],
];

/** @throws UsageError for an option that differs from the run's */
export function checkOptions({ folder, record }: ResumedRun, options: RunOptions): void {
  for (const [key, name] of OPTION_NAMES) {
    if (options[key] === undefined || options[key] === record.request[key]) continue;
    throw new UsageError(
      `--resume ${folder}: that run was started ${record.request[key] === undefined ? `without ${name}` : `with ${name} ${record.request[key]}`}, ` +
        `but ${name} ${options[key]} was given. Leave the option out, or start a new run without --resume (started by: ${repeatCommand(record.request)})`,
    );
  }
}

/**
 * @throws DataError if the images, weights, adapter, versions, code or tuned kernels differ from those that the run was started with:
 * its results would not be comparable
 */
export function checkUnchanged(
  { folder, record }: ResumedRun,
  now: Pick<RunRecord, 'data' | 'weights' | 'adapter' | 'tuning' | 'versions' | 'code'> & { file?: string | undefined },
  acceptChanges = false,
): void {
  const refuse = (difference: string) => {
    throw new DataError(`--resume ${folder}: ${difference}. Use what it was started with, or start a new run.`);
  };
  if (record.code !== now.code && !acceptChanges) {
    throw new DataError(
      `--resume ${folder}: ${now.file ?? 'its file'}, or a file that it imports, has changed since that run was started. Undo the change, start a ` +
        'new run, or, if the change does not affect saved results (only the report, for example), resume with --accept-changes.',
    );
  }
  for (const [name, { fingerprint, description }] of Object.entries(now.data)) {
    const then = record.data[name];
    if (then && then.fingerprint !== fingerprint) {
      refuse(`that run was started with other images of ${name} (${then.description}) than these (${description})`);
    }
  }
  for (const { name, sha256 } of now.weights ?? []) {
    const then = record.weights ?? [];
    if (then.length === 0 || then.some((weights) => weights.sha256 === sha256)) continue;
    refuse(
      `that run was started with the weights of ${then.map((weights) => weights.name).join(', ')}, but ${name} has others`,
    );
  }
  if (adapterText(record.adapter) !== adapterText(now.adapter)) {
    refuse(`that run was started on ${adapterText(record.adapter)}, but this is ${adapterText(now.adapter)}`);
  }
  for (const name of ['tilegrad', 'webgpu'] as const) {
    const [then, current] = [record.versions[name], now.versions[name]];
    if (then !== current) refuse(`that run was started with ${name} ${then}, but this is ${current}`);
  }
  const { measuredHash } = record.tuning;
  if (measuredHash !== undefined && measuredHash !== now.tuning.measuredHash) {
    refuse('`tilegrad tune` has selected other kernels since that run was started');
  }
}
