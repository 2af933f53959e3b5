import { z } from 'zod';
import { searchRecord } from '../search/record.ts';
import { block, provenance, section } from './content.ts';
import { training } from './training.ts';

const status = z.enum(['running', 'finished', 'interrupted', 'failed']);
const error = z.object({ code: z.string(), message: z.string() });
const scale = z.enum(['full', 'short', 'smoke']);
const natural = z.number().int().nonnegative();
const finding = z.enum(['ok', 'wrong', 'unknown']);

/** Files are named after it. Those that come with tilegrad are such as A1; of others, letters, digits and hyphens. */
export const experimentId = z
  .string()
  .max(40)
  .regex(/^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$/, 'the id of an experiment, such as A1 or my-mlp');

/** What the command line asked for: what a run must be asked again to go on with. */
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
  /** The file of an experiment of one's own, whole. */
  file: z.string().optional(),
});

/** One row of EXPERIMENTS.md as this run had it. */
const experimentRecord = z.object({
  id: experimentId,
  title: z.string(),
  question: z.array(z.string()),
  status: z.enum(['waiting', 'running', 'finished', 'interrupted', 'failed']),
  error: error.optional(),
  /** What was cut or changed against the published settings; empty when nothing was. */
  reduced: z.array(z.string()),
  settings: z.record(z.string(), z.unknown()),
  seeds: z.array(natural),
  datasets: z.array(z.string()),
  /** What its trainings and other parts took, whenever they were done. */
  seconds: z.number(),
  /** The report, once it is finished. */
  sections: z.array(section),
});

const trainingEntry = training.omit({ measured: true }).extend({
  /** The row that needed it first. */
  row: z.string(),
  status,
  /** Whether it was taken over from a run that was interrupted, or from another row. */
  kept: z.boolean(),
});

const searchEntry = z.object({
  /** The row that needed it first. */
  row: z.string(),
  status,
  /** As of a training. */
  kept: z.boolean(),
  record: searchRecord,
});

const fields = z.object({
  kind: z.literal('tilegrad-run'),
  schemaVersion: z.literal(2),
  id: z.string(),
  title: z.string(),
  /** Of a coursework; of one row it is the row's own. */
  question: z.array(z.string()),
  status,
  error: error.optional(),
  /** The process of the last session. */
  process: z.object({ pid: natural, host: z.string() }).optional(),
  request,
  /** Of an experiment of one's own: a hash of its file and of the files that it imports by a relative path. */
  code: z.string().optional(),
  /** What does the same again. */
  command: z.string(),
  data: z.record(
    z.string(),
    z.object({
      kind: z.enum(['folder', 'archive', 'sample']),
      path: z.string(),
      description: z.string(),
      trainImages: natural,
      testImages: natural,
      /** Of every image and label. */
      fingerprint: z.string(),
    }),
  ),
  /** Files of published weights that rows begin with. */
  weights: z.array(z.object({ name: z.string(), path: z.string(), sha256: z.string() })).optional(),
  adapter: provenance.shape.adapter.extend({
    architecture: z.string(),
    features: z.array(z.string()),
    limits: z.record(z.string(), z.number()),
  }),
  /** What was found about the adapter when it was opened (see src/gpu/probe.ts); older runs have none. */
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
    /** Choices of kernels that were taken from the tuner's cache; all others are by rule. */
    measured: natural,
    /** Of those: whether they are the same ones. */
    measuredHash: z.string().optional(),
    /** The cache file, where there was one of use. */
    file: z.string().nullable(),
    /** Every choice made, in all sessions: the variant by operator and sizes. */
    choices: z.record(z.string(), z.string()).optional(),
    /** A hash of them. */
    choicesHash: z.string(),
  }),
  versions: z.object({ tilegrad: z.string(), node: z.string(), webgpu: z.string(), platform: z.string() }),
  rows: z.array(experimentRecord).min(1),
  /** What a coursework says of all its rows together. */
  summary: z.array(block).optional(),
  trainings: z.array(trainingEntry),
  /** Searches over hyperparameters, with all trials that have ended; left out where there is none. */
  searches: z.array(searchEntry).optional(),
  /** All sessions together, if it was interrupted and went on. */
  timings: z.object({ startedAt: z.string(), finishedAt: z.string().nullable(), totalSeconds: z.number() }),
  /** What the device did since it was opened. */
  counters: z.record(z.string(), z.number()),
});

/** What `run.json` holds. `schemaVersion` grows whenever a field changes its meaning or goes away. */
export const runRecord = fields.refine(
  ({ data, rows }) => rows.every(({ datasets }) => datasets.every((name) => Object.hasOwn(data, name))),
  { message: 'has no entry for a data set that a row names', path: ['data'] },
);

/** As a program writes it: what has a default in a report may be left out. */
export type RunRecord = z.input<typeof runRecord>;
export type ExperimentRecord = RunRecord['rows'][number];
export type RunRequest = RunRecord['request'];
export type SearchEntry = NonNullable<RunRecord['searches']>[number];
export type TrainingEntry = RunRecord['trainings'][number];
