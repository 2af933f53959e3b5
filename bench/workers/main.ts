import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { openQueue } from '../../src/jobs/queue.ts';
import { aliveWorkers } from '../../src/jobs/watch.ts';

const HELP = `npm run bench:workers -- [options]

Sends jobs that only wait to 1, 4, 16 and 64 workers in separate processes, through a redis-server that it starts. Prints the time
of all jobs next to the ideal (only the waiting), and the CPU time of a job in each process.

  --workers <list>    numbers of workers (default 1,4,16,64)
  --processes <n>     most processes; with more workers, several share one (default 16)
  --ms <n>            how long a job waits (default 1000)
  --rounds <n>        jobs of each worker (default 5)
  --empty <n>         empty jobs, which do not wait, for the cost of a job (default 1000)
  --json              prints the result as JSON`;

const { values } = parseArgs({
  options: {
    ...{ workers: { type: 'string', default: '1,4,16,64' }, processes: { type: 'string', default: '16' } },
    ...{ ms: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '5' } },
    ...{ empty: { type: 'string', default: '1000' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  },
});

const print = (text: string) => process.stdout.write(`${text}\n`);
const kind = { name: 'wait', result: z.null() };

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function startRedis(dir: string): Promise<{ url: string; child: ChildProcess }> {
  const port = await freePort();
  const words = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', dir];
  const child = spawn('redis-server', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.on('error', () =>
      reject(new Error('bench:workers needs redis-server: on Debian, apt-get install redis-server')),
    );
    child.stdout.on('data', (chunk) => String(chunk).includes('Ready to accept') && resolve());
  });
  return { url: `redis://127.0.0.1:${port}`, child };
}

/** Milliseconds for which idle workers are observed. */
const IDLE_MS = 5000;

interface Row {
  workers: number;
  processes: number;
  jobs: number;
  seconds: number;
  ideal: number;
  /** Milliseconds per empty job, over all processes together. */
  emptyMs: number;
  /** CPU time of the coordinator per empty job, in ms. */
  coordinatorMs: number;
  /** CPU time of Redis per empty job, in ms. */
  redisMs: number;
  /** CPU time of Redis per idle worker, in ms a second. */
  idleMs: number;
}

const readRedisCpuMs = async (client: Redis) => {
  const info = await client.info('cpu');
  const read = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)![1]) * 1000;
  return read('used_cpu_sys') + read('used_cpu_user');
};
const readOwnCpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function measure(url: string, workers: number): Promise<Row> {
  const processes = Math.min(workers, Number(values.processes));
  const serve = join(import.meta.dirname, 'workers-serve.js');
  const client = new Redis(url);
  await client.flushall();
  const children = Array.from({ length: processes }, (_, i) => {
    const loops = Math.floor(workers / processes) + (i < workers % processes ? 1 : 0);
    return spawn(process.execPath, [serve, url, `${loops}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  });
  try {
    while ((await aliveWorkers(client)).length < workers) await new Promise((resolve) => setTimeout(resolve, 200));
    const queue = await openQueue({ url });
    // Workers look for queues once a second. Longer jobs first ensure that all workers take part when the timing starts.
    await timeJobs(queue, 'first', workers, 2000);
    const jobs = workers * Number(values.rounds);
    const seconds = await timeJobs(queue, 'timed', jobs, Number(values.ms));
    const empty = Number(values.empty);
    const before = [readOwnCpuMs(), await readRedisCpuMs(client)] as const;
    const emptySeconds = await timeJobs(queue, 'empty', empty, 0);
    const after = [readOwnCpuMs(), await readRedisCpuMs(client)] as const;
    const idleFrom = await readRedisCpuMs(client);
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idle = (await readRedisCpuMs(client)) - idleFrom;
    await queue.close();
    return {
      ...{ workers, processes, jobs, seconds, ideal: (Number(values.rounds) * Number(values.ms)) / 1000 },
      emptyMs: (emptySeconds * 1000) / empty,
      coordinatorMs: (after[0] - before[0]) / empty,
      redisMs: (after[1] - before[1]) / empty,
      idleMs: idle / (IDLE_MS / 1000) / workers,
    };
  } finally {
    await Promise.all(
      children.map((child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        return ended;
      }),
    );
    client.disconnect();
  }
}

/** Runs `count` jobs, all requested at once. @returns seconds */
async function timeJobs(
  queue: Awaited<ReturnType<typeof openQueue>>,
  name: string,
  count: number,
  ms: number,
): Promise<number> {
  const begun = performance.now();
  await Promise.all(Array.from({ length: count }, (_, i) => queue.run(kind, `${name}-${i}`, { ms })));
  return (performance.now() - begun) / 1000;
}

if (values.help) print(HELP);
else {
  const dir = mkdtempSync(join(tmpdir(), 'tilegrad-bench-workers-'));
  const { url, child } = await startRedis(dir);
  try {
    const rows: Row[] = [];
    for (const workers of values.workers.split(',').map(Number)) {
      console.error(`${workers} workers ...`);
      rows.push(await measure(url, workers));
    }
    if (values.json) print(JSON.stringify(rows, null, 2));
    else {
      const table = new Table({
        style: { head: [], border: [] },
        head: [
          'workers (processes)',
          `jobs of ${values.ms} ms`,
          'all of them',
          'ideal',
          'ratio',
          'empty job',
          'CPU: coordinator',
          'CPU: Redis',
          'Redis, idle worker',
        ],
      });
      for (const row of rows) {
        table.push([
          ...[
            `${row.workers} (${row.processes})`,
            row.jobs,
            `${row.seconds.toFixed(2)} s`,
            `${row.ideal.toFixed(2)} s`,
          ],
          ...[(row.seconds / row.ideal).toFixed(3), `${row.emptyMs.toFixed(2)} ms`],
          ...[`${row.coordinatorMs.toFixed(2)} ms`, `${row.redisMs.toFixed(2)} ms`, `${row.idleMs.toFixed(2)} ms/s`],
        ]);
      }
      print(`${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} cores, Node ${process.versions.node}`);
      print(table.toString());
    }
  } finally {
    child.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  }
}
