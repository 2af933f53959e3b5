/** `npm run bench -- soak`: runs models, batches and tensors of random sizes for some minutes, and reports their memory. */
import { parseArgs } from 'node:util';
import { openDevice } from '../../src/node.ts';
import { rounds } from './rounds.ts';

const USAGE = `Usage: npm run bench -- soak [options]

Builds, trains and disposes models of random sizes, and prints the memory of the process and the device. The exit code is 1 if memory
grows: if the maximum of the second half is more than a tenth and 64 MiB above that of the first, or if a byte is still in use at the end.

  --minutes N   duration; default 1
  --rounds N    most rounds; default: no limit
  --seed N      seed of the random sizes; default 1
  --help        prints this text`;

const MIB = 2 ** 20;
/** Seconds between two lines. */
const REPORT_SECONDS = 10;

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
    const { minutes = '1', rounds: maxRounds = 'Infinity', seed = '1', help } = values;
    const read = { minutes: Number(minutes), maxRounds: Number(maxRounds), seed: Number(seed), help };
    const wrong = Object.entries(read).find(([, value]) => typeof value === 'number' && !(value > 0));
    return wrong ? fail(`--${wrong[0]}: must be a positive number`) : read;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  }
}

/** Returns the "minimal standard" random generator. */
function createGenerator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

async function soak({
  minutes,
  maxRounds,
  seed,
}: {
  minutes: number;
  maxRounds: number;
  seed: number;
}): Promise<boolean> {
  using device = await openDevice();
  const random = createGenerator(seed);
  const begun = performance.now();
  const seconds = () => (performance.now() - begun) / 1000;
  const samples: Sample[] = [];
  let lastReport = Number.NEGATIVE_INFINITY;
  process.stdout.write(' seconds  rounds  process MiB  JS heap MiB  device MiB  free MiB  buffers made  pipelines\n');
  let round = 0;
  for (; round < maxRounds && seconds() < 60 * minutes; round++) {
    const kinds = Object.values(rounds);
    await kinds[round % kinds.length]!(device, random);
    const { rss, heapUsed } = process.memoryUsage();
    const { bytesAllocated, buffersCreated, pipelinesCreated } = device.counters;
    samples.push({ rss, heap: heapUsed, allocated: bytesAllocated, free: device.freeBytes });
    if (seconds() < lastReport + REPORT_SECONDS && round + 1 < maxRounds) continue;
    lastReport = seconds();
    const bytes = [rss, heapUsed, bytesAllocated, device.freeBytes].map((n) => (n / MIB).toFixed(0));
    const columns = [lastReport.toFixed(0), round + 1, ...bytes, buffersCreated, pipelinesCreated];
    const widths = [8, 8, 13, 13, 12, 10, 14, 11];
    process.stdout.write(`${columns.map((column, i) => String(column).padStart(widths[i]!)).join('')}\n`);
  }
  return isBounded(samples, device.counters.bytesAllocated - device.freeBytes);
}

/** Prints the maxima of both halves. @returns whether memory is bounded */
function isBounded(samples: readonly Sample[], bytesInUse: number): boolean {
  const half = Math.ceil(samples.length / 2);
  const maxOf = (part: readonly Sample[], key: keyof Sample) => Math.max(0, ...part.map((sample) => sample[key])) / MIB;
  const [before, after] = [samples.slice(0, half), samples.slice(half)];
  const compareHalves = (label: string, key: keyof Sample) => {
    const [a, b] = [maxOf(before, key), maxOf(after, key)];
    const bounded = b <= 1.1 * a + 64;
    process.stdout.write(
      `${label}: at most ${a.toFixed(0)} MiB, then ${b.toFixed(0)} MiB${bounded ? '' : ': IT GROWS'}\n`,
    );
    return bounded;
  };
  const memories = { process: 'rss', 'JS heap': 'heap', device: 'allocated', free: 'free' } as const;
  const bounded = Object.entries(memories).map(([label, key]) => compareHalves(label, key));
  process.stdout.write(`in use on the device in the end: ${bytesInUse} bytes\n`);
  return bounded.every(Boolean) && bytesInUse === 0;
}

const requested = options();
if (requested.help) process.stdout.write(`${USAGE}\n`);
else if (!(await soak(requested))) process.exitCode = 1;
