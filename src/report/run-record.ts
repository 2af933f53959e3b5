import { z } from 'zod';
import { searchRecord } from '../search/record.ts';
import { block, provenance, section } from './content.ts';
import { training } from './training.ts';

const status = z.enum(['running', 'finished', 'interrupted', 'failed']);
const error = z.object({ code: z.string(), message: z.string() });
const scale = z.enum(['full', 'short', 'smoke']);
const natural = z.number().int().nonnegative();
const finding = z.enum(['ok', 'wrong', 'unknown']);

/** Id of an experiment, part of file names: such as A1, or letters, digits and hyphens for a user's experiment. */
export const experimentId = z
  .string()
  .max(40)
  .regex(/^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$/, 'the id of an experiment, such as A1 or my-mlp');

/** The options of a run; `--resume` requires the same ones. */
const request = z.object({
  id: z.string(),
  scale,
  seed: natural,
  epochs: natural.optional(),
  batchSize: natural.optional(),
  learningRate: z.number().optional(),
  replicas: natural.optional(),
  limit: natural.optional(),
  /** Variations that were cut to the short scale, with commas between them. */
  short: z.string().optional(),
  /** The folder given as `--data`. */
  data: z.string().optional(),
  /** The absolute path of a user's experiment. */
  file: z.string().optional(),
});

/** An experiment in this run. */
const experimentRecord = z.object({
  id: experimentId,
  title: z.string(),
  question: z.array(z.string()),
  status: z.enum(['waiting', 'running', 'finished', 'interrupted', 'failed']),
  error: error.optional(),
  /** Differences from the published settings, in words; empty if there are none. */
  reduced: z.array(z.string()),
  settings: z.record(z.string(), z.unknown()),
  seeds: z.array(natural),
  datasets: z.array(z.string()),
  /** Seconds of its trainings and other computations, in all sessions. */
  seconds: z.number(),
  /** The sections of the report; empty until it is finished. */
  sections: z.array(section),
});

const trainingEntry = training.omit({ measured: true }).extend({
  /** Id of the experiment that needed it first. */
  row: z.string(),
  status,
  /** Whether it comes from an earlier session or from another experiment. */
  kept: z.boolean(),
});

const searchEntry = z.object({
  /** Id of the experiment that needed it first. */
  row: z.string(),
  status,
  /** Whether it comes from an earlier session or from another experiment. */
  kept: z.boolean(),
  record: searchRecord,
});

const fields = z.object({
  kind: z.literal('tilegrad-run'),
  schemaVersion: z.literal(2),
  id: z.string(),
  title: z.string(),
  /** The question of the coursework or the experiment. */
  question: z.array(z.string()),
  status,
  error: error.optional(),
  /** The process of the last session. */
  process: z.object({ pid: natural, host: z.string() }).optional(),
  request,
  /** Only for a user's experiment: a hash of its file and of the files that it imports by relative paths. */
  code: z.string().optional(),
  /** The command that repeats the run. */
  command: z.string(),
  data: z.record(
    z.string(),
    z.object({
      kind: z.enum(['folder', 'archive', 'sample']),
      path: z.string(),
      description: z.string(),
      trainImages: natural,
      testImages: natural,
      /** A hash of every image and label. */
      fingerprint: z.string(),
    }),
  ),
  /** Files of published weights that experiments start with. */
  weights: z.array(z.object({ name: z.string(), path: z.string(), sha256: z.string() })).optional(),
  adapter: provenance.shape.adapter.extend({
    architecture: z.string(),
    features: z.array(z.string()),
    limits: z.record(z.string(), z.number()),
  }),
  /** Results of the adapter's probe (see src/gpu/probe.ts); older runs have none. */
  probe: z
    .object({
      lanes: finding.or(z.literal('unused')),
      shuffles: finding.or(z.literal('unused')),
      nanInRelu: finding,
      nanAgainstZero: finding,
      nanAgainstItself: finding,
      division: finding,
      denormals: z.enum(['kept', 'flushed', 'unknown']),
      notes: z.array(z.string()),
    })
    .optional(),
  /** Which kernels ran: the same seed, adapter and `choicesHash` give the same bits. */
  tuning: z.object({
    /** Number of kernels from the tuner's cache; all others are selected by rule. */
    measured: natural,
    /** A hash of the kernels from the cache. */
    measuredHash: z.string().optional(),
    /** Path of the cache file, if it was used. */
    file: z.string().nullable(),
    /** The selected kernels of all sessions: the variant by operator and sizes. */
    choices: z.record(z.string(), z.string()).optional(),
    /** A hash of `choices`. */
    choicesHash: z.string(),
  }),
  versions: z.object({ tilegrad: z.string(), node: z.string(), webgpu: z.string(), platform: z.string() }),
  rows: z.array(experimentRecord).min(1),
  /** The summary of a coursework. */
  summary: z.array(block).optional(),
  trainings: z.array(trainingEntry),
  /** Hyperparameter searches with all finished trials; missing if there are none. */
  searches: z.array(searchEntry).optional(),
  /** Times of all sessions together, if the run was resumed. */
  timings: z.object({ startedAt: z.string(), finishedAt: z.string().nullable(), totalSeconds: z.number() }),
  /** The device's counters of the last session. */
  counters: z.record(z.string(), z.number()),
});

/** The content of `run.json`. `schemaVersion` is increased when a field changes its meaning or is removed. */
export const runRecord = fields.refine(
  ({ data, rows }) => rows.every(({ datasets }) => datasets.every((name) => Object.hasOwn(data, name))),
  { message: 'has no entry for a data set of an experiment', path: ['data'] },
);

/** The record as programs write it: fields with defaults may be missing. */
export type RunRecord = z.input<typeof runRecord>;
export type ExperimentRecord = RunRecord['rows'][number];
export type RunRequest = RunRecord['request'];
export type SearchEntry = NonNullable<RunRecord['searches']>[number];
export type TrainingEntry = RunRecord['trainings'][number];
