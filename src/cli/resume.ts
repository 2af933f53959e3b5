import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError, FileError, UsageError } from '../base/errors.ts';
import { onFile } from '../io/files.ts';
import { adapterText } from '../report/format.ts';
import { hasReport, readRunRecord } from '../report/report-files.ts';
import type { RunRecord, RunRequest } from '../report/run-record.ts';
import type { RunOptions } from './options.ts';
import { whyLocked } from './run-lock.ts';
import type { RunTarget } from './run-target.ts';
import { nameOf, repeatCommand, resumeCommand } from './settings.ts';

/** A run to go on with. */
export interface ResumedRun {
  folder: string;
  record: RunRecord;
}

/**
 * The run that `--resume` means: the folder given, or the newest below `out` of that id that is not finished, report included, and
 * that no process is at.
 * @param note is told of each newer one that was passed over, and why
 * @throws UsageError when there is none, or it is of another experiment or running; FileError for an `out` that cannot be read, and
 * FileError or DataError for the record of a folder given
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
        `--resume ${resume}: this is a run of ${record.id}, not of ${id}. Go on with it by \`${resumeCommand(record.request, resume)}\`.`,
      );
    }
    const locked = whyLocked(resume);
    if (locked !== null) throw new UsageError(`--resume ${resume}: ${locked}`);
    return { folder: resume, record };
  }
  const skipped: string[] = [];
  for (const folder of runFolders(out, id)) {
    const found = readResumable(folder, id);
    if (typeof found === 'string') skipped.push(`${folder} was passed over: ${found}`);
    else if (found) {
      for (const why of skipped) note(`--resume: ${why}`);
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

/** What are runs of that id by their names, the newest first. @throws FileError */
function runFolders(out: string, id: string): string[] {
  const OPTION_NAMES = onFile('read', out, () =>
    existsSync(out) && statSync(out).isDirectory() ? readdirSync(out) : [],
  );
  return OPTION_NAMES.filter((name) => new RegExp(`-${id}(-\\d+)?$`).test(name))
    .sort()
    .reverse()
    .map((name) => join(out, name));
}

/** The record of a run that can be gone on with, null for a finished one or another, or why it cannot be told or not be gone on with. */
function readResumable(folder: string, id: string): RunRecord | string | null {
  try {
    const record = readRunRecord(folder);
    if (record.id !== id || (record.status === 'finished' && hasReport(folder))) return null;
    return whyLocked(folder) ?? record;
  } catch (error) {
    // One that is damaged must not be in the way of the others.
    if (error instanceof DataError || error instanceof FileError) return error.message;
    throw error;
  }
}

const names: [keyof RunRequest & keyof RunOptions, string][] = [
  ['scale', '--scale'],
  ['seed', '--seed'],
  ['epochs', '--epochs'],
  ['batchSize', '--batch'],
  ['learningRate', '--lr'],
  ['replicas', '--runs'],
  ['limit', '--limit'],
  ['short', '--short'],
];

/** @throws UsageError for an option that says something else than the run was begun with */
export function checkOptions({ folder, record }: ResumedRun, options: RunOptions): void {
  for (const [key, name] of names) {
    if (options[key] === undefined || options[key] === record.request[key]) continue;
    throw new UsageError(
      `--resume ${folder}: that run was begun ${record.request[key] === undefined ? `without ${name}` : `with ${name} ${record.request[key]}`}, ` +
        `but ${name} ${options[key]} was given. Leave the option out, or start a new run without --resume (begun by: ${repeatCommand(record.request)})`,
    );
  }
}

/**
 * @throws DataError when the images, the adapter, tilegrad or the kernels chosen are not those the run was begun with: its figures
 * would be of two kinds
 */
export function checkUnchanged(
  { folder, record }: ResumedRun,
  now: Pick<RunRecord, 'data' | 'weights' | 'adapter' | 'tuning' | 'versions' | 'code'> & { file?: string | undefined },
  acceptChanges = false,
): void {
  const refuse = (what: string) => {
    throw new DataError(`--resume ${folder}: ${what}. Go on with what it was begun with, or start a new run.`);
  };
  if (record.code !== now.code && !acceptChanges) {
    throw new DataError(
      `--resume ${folder}: ${now.file ?? 'its file'}, or a file that it imports, has changed since that run was begun. Put back what it was, start a ` +
        'new run, or, if the change has no bearing on what is kept, such as one of the report alone, go on all the same with --accept-changes.',
    );
  }
  for (const [name, { fingerprint, description }] of Object.entries(now.data)) {
    const then = record.data[name];
    if (then && then.fingerprint !== fingerprint) {
      refuse(`that run was begun with other images of ${name} (${then.description}) than these (${description})`);
    }
  }
  for (const { name, sha256 } of now.weights ?? []) {
    const then = record.weights ?? [];
    if (then.length === 0 || then.some((one) => one.sha256 === sha256)) continue;
    refuse(`that run was begun with the weights of ${then.map((one) => one.name).join(', ')}, and ${name} has others`);
  }
  if (adapterText(record.adapter) !== adapterText(now.adapter)) {
    refuse(`that run was begun on ${adapterText(record.adapter)}, and this is ${adapterText(now.adapter)}`);
  }
  for (const part of ['tilegrad', 'webgpu'] as const) {
    const [then, is] = [record.versions[part], now.versions[part]];
    if (then !== is) refuse(`that run was begun with ${part} ${then}, and this is ${is}`);
  }
  const { measuredHash } = record.tuning;
  if (measuredHash !== undefined && measuredHash !== now.tuning.measuredHash) {
    refuse('`tilegrad tune` has chosen other kernels since that run was begun');
  }
}
