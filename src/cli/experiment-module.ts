import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { formatValue } from '../base/check.ts';
import { ArgumentError, UsageError } from '../base/errors.ts';
import type { Section } from '../report/content.ts';
import { defineExperiment, type ExperimentOptions } from './define-experiment.ts';
import type { Catalogue, Experiment } from './experiment.ts';
import { inModule } from './module-error.ts';
import type { RunTarget } from './run-target.ts';
import { importUserModule } from './user-module.ts';

// Users' experiments, which `tilegrad run FILE` runs: see `defineExperiment`.

/** Whether an argument of `run` names a file, not an experiment that comes with tilegrad. */
export const isFile = (name: string): boolean => /[\\/]/.test(name) || /\.[cm]?[jt]sx?$/i.test(name);

/**
 * Loads the experiment that is the default export of a file.
 * @throws UsageError if the file is missing, cannot be loaded or exports no experiment, or if tilegrad has an experiment with its id
 */
export async function loadTarget(file: string, { experiments, courseworks }: Catalogue): Promise<RunTarget> {
  const exported = await importUserModule('run', file);
  const experiment = readExperiment(file, exported);
  const { id, title, question } = experiment;
  const existing = [...experiments, ...courseworks].find((known) => known.id.toLowerCase() === id.toLowerCase());
  if (existing)
    throw new UsageError(`${file}: tilegrad has an experiment with the id ${id}, ${existing.title}; use another id`);
  return { id, title, question, experiments: [experiment], file: resolve(file), code: codeHash(resolve(file)) };
}

/** Checks the default export of a module. Errors that its `run` throws name the file and the line. @throws UsageError */
export function readExperiment(file: string, exported: Record<string, unknown>): Experiment {
  const { default: given } = exported;
  if (given === undefined) {
    const names = Object.keys(exported);
    const exportsText = names.length > 0 ? `it exports ${names.join(', ')}` : 'it exports nothing';
    throw new UsageError(
      `${file}: must export an experiment as its default, \`export default defineExperiment({ id, title, run })\`, but ${exportsText}`,
    );
  }
  if (typeof given !== 'object' || given === null || typeof (given as { then?: unknown }).then === 'function') {
    throw new UsageError(
      `${file}: its default export must be an experiment, as defineExperiment({ id, title, run }) returns, but is ${formatValue(given)}`,
    );
  }
  let experiment: Experiment;
  try {
    experiment = defineExperiment(given as ExperimentOptions);
  } catch (error) {
    if (error instanceof ArgumentError) throw new UsageError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
  const { run } = experiment;
  return {
    ...experiment,
    run: (context) =>
      inModule(file, 'run', async () => {
        const sections = (await run.call(given, context)) as Section[] | undefined;
        if (
          Array.isArray(sections) &&
          sections.every((entry) => typeof entry === 'object' && Array.isArray(entry?.blocks))
        )
          return sections;
        throw new UsageError(
          `${file}: run must return the sections of its report, a list of section(title, ...parts), but returned ${formatValue(sections)}`,
        );
      }),
  };
}

/** Returns a hash of a file and of the files that it imports by relative paths, directly or indirectly. */
export function codeHash(file: string): string {
  const hash = createHash('sha256');
  const seen = new Set<string>();
  const addFile = (path: string): void => {
    if (seen.has(path) || !existsSync(path) || !statSync(path).isFile()) return;
    seen.add(path);
    const text = readFileSync(path, 'utf8');
    hash.update(`${relative(dirname(file), path).replaceAll('\\', '/')}\0${text.length}\0${text}`);
    for (const [, specifier] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)) {
      addFile(resolve(dirname(path), specifier!));
    }
  };
  addFile(file);
  return hash.digest('hex').slice(0, 16);
}
