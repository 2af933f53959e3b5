/** `npm run bench -- soak`: sweeps over sizes of models, batches and tensors for some minutes, and says what memory it holds. */
import { parseArgs } from 'node:util';
import { openDevice } from '../../src/node.ts';
import { rounds } from './rounds.ts';

const USAGE = `Usage: npm run bench -- soak [options]

Builds, trains and disposes models of sizes that are drawn, and says what memory the process and the device hold. Ends with exit code 1
unless memory is bounded: the most of the second half is at most a tenth and 64 MiB above the most of the first.

  --minutes N   how long; default 1
  --rounds N    ends after N rounds, if not before
  --seed N      what sizes are drawn by; default 1
  --help        this`;

const MIB = 2 ** 20;
/** Seconds between two lines. */
const EVERY = 10;

interface Sample {
  rss: number;
  heap: number;
  allocated: number;
  free: number;
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function options() {
  try {
    const strings = { minutes: { type: 'string' }, rounds: { type: 'string' }, seed: { type: 'string' } } as const;
    const { values } = parseArgs({ options: { ...strings, help: { type: 'boolean' } } });
    const { minutes = '1', rounds: most = 'Infinity', seed = '1', help } = values;
    const read = { minutes: Number(minutes), most: Number(most), seed: Number(seed), help };
    const wrong = Object.entries(read).find(([, value]) => typeof value === 'number' && !(value > 0));
    return wrong ? fail(`--${wrong[0]}: must be a positive number`) : read;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

/** The "minimal standard" generator. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

async function soak({ minutes, most, seed }: { minutes: number; most: number; seed: number }): Promise<boolean> {
  using device = await openDevice();
  const random = generator(seed);
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  const samples: Sample[] = [];
  let lastReport = Number.NEGATIVE_INFINITY;
  process.stdout.write(' seconds  rounds  process MiB  JS heap MiB  device MiB  free MiB  buffers made  pipelines\n');
  let round = 0;
  for (; round < most && seconds() < 60 * minutes; round++) {
    const kinds = Object.values(rounds);
    await kinds[round % kinds.length]!(device, random);
    const { rss, heapUsed } = process.memoryUsage();
    const { bytesAllocated, buffersCreated, pipelinesCreated } = device.counters;
    samples.push({ rss, heap: heapUsed, allocated: bytesAllocated, free: device.freeBytes });
    if (seconds() < lastReport + EVERY && round + 1 < most) continue;
    lastReport = seconds();
    const bytes = [rss, heapUsed, bytesAllocated, device.freeBytes].map((n) => (n / MIB).toFixed(0));
    const columns = [lastReport.toFixed(0), round + 1, ...bytes, buffersCreated, pipelinesCreated];
    const widths = [8, 8, 13, 13, 12, 10, 14, 11];
    process.stdout.write(`${columns.map((column, i) => String(column).padStart(widths[i]!)).join('')}\n`);
  }
  return judge(samples, device.counters.bytesAllocated - device.freeBytes);
}

/** Says what the most was in either half. @returns whether memory is bounded */
function judge(samples: readonly Sample[], left: number): boolean {
  const half = Math.ceil(samples.length / 2);
  const mostOf = (part: readonly Sample[], key: keyof Sample) =>
    Math.max(0, ...part.map((sample) => sample[key])) / MIB;
  const [before, after] = [samples.slice(0, half), samples.slice(half)];
  const say = (what: string, key: keyof Sample) => {
    const [a, b] = [mostOf(before, key), mostOf(after, key)];
    const bounded = b <= 1.1 * a + 64;
    process.stdout.write(
      `${what}: at most ${a.toFixed(0)} MiB, then ${b.toFixed(0)} MiB${bounded ? '' : ': IT GROWS'}\n`,
    );
    return bounded;
  };
  const all = [say('process', 'rss'), say('JS heap', 'heap'), say('device', 'allocated'), say('free', 'free')];
  process.stdout.write(`in use on the device in the end: ${left} bytes\n`);
  return all.every(Boolean) && left === 0;
}

const asked = options();
if (asked.help) process.stdout.write(`${USAGE}\n`);
else if (!(await soak(asked))) process.exitCode = 1;
