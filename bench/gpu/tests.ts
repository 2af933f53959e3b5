import { z } from 'zod';

/** Environment variable with the path of the file that `test-reporter.ts` writes. */
export const LINES_VARIABLE = 'TILEGRAD_GPU_TESTS';

const file = z.string();
const name = z.string();
const message = z.string();
const lineSchema = z.discriminatedUnion('event', [
  /** A file that will run. */
  z.object({ event: z.literal('file'), file }),
  z.object({ event: z.literal('begin'), file, name }),
  z.object({ event: z.literal('end'), file, name, state: z.enum(['passed', 'failed', 'skipped']), message }),
  /** A failure that belongs to no test. */
  z.object({ event: z.literal('error'), file, name, message }),
  /** A file whose tests have all ended. */
  z.object({ event: z.literal('done'), file, seconds: z.number() }),
]);
/** A line of the file that `test-reporter.ts` writes. */
export type TestLine = z.infer<typeof lineSchema>;

/** The tests of a run of vitest. */
export interface TestResult {
  passed: number;
  failed: number;
  skipped: number;
  /** `seconds` is null for a file that has not ended. */
  files: { file: string; passed: number; failed: number; skipped: number; seconds: number | null }[];
  failures: { file: string; name: string; message: string }[];
  /** Failures that `failures` leaves out. */
  failuresLeftOut: number;
  /** Tests that had begun and not ended when the run was stopped. */
  unfinished: { file: string; name: string }[];
}

const MAX_FAILURES = 300;
const MAX_MESSAGE_LENGTH = 2000;

/** Returns the results in the lines of `test-reporter.ts`. The last line may be incomplete. */
export function readTests(text: string): TestResult {
  const result: TestResult = {
    ...{ passed: 0, failed: 0, skipped: 0, files: [], failures: [], failuresLeftOut: 0, unfinished: [] },
  };
  const files = new Map<string, TestResult['files'][number]>();
  const running = new Map<string, { file: string; name: string }>();
  for (const line of text.split('\n').flatMap(parseLine)) {
    let counts = files.get(line.file);
    if (!counts && line.file !== '') {
      counts = { file: line.file, passed: 0, failed: 0, skipped: 0, seconds: null };
      files.set(line.file, counts);
    }
    const key = 'name' in line ? JSON.stringify([line.file, line.name]) : '';
    if (line.event === 'begin') running.set(key, { file: line.file, name: line.name });
    else if (line.event === 'done') counts!.seconds = line.seconds;
    else if (line.event === 'end' || line.event === 'error') {
      running.delete(key);
      const state = line.event === 'end' ? line.state : 'failed';
      result[state]++;
      if (counts) counts[state]++;
      if (state !== 'failed') continue;
      if (result.failures.length >= MAX_FAILURES) result.failuresLeftOut++;
      else
        result.failures.push({ file: line.file, name: line.name, message: line.message.slice(0, MAX_MESSAGE_LENGTH) });
    }
  }
  return { ...result, files: [...files.values()], unfinished: [...running.values()] };
}

function parseLine(text: string): TestLine[] {
  try {
    return [lineSchema.parse(JSON.parse(text))];
  } catch {
    return []; // the run was stopped while it wrote
  }
}
