import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';

/** A Redis server for tests: on a free port of this machine, without persistence by default, stopped after the tests. */
export interface TestRedis {
  port: number;
  url: string;
  /** Shuts it down; with `appendonly` its data are on the disk afterwards. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

const hasServer = spawnSync('redis-server', ['--version']).status === 0;
if (!hasServer) {
  const reason = 'there is no redis-server on this machine (Debian: apt-get install redis-server)';
  if (process.env.REQUIRE_REDIS === '1') throw new Error(`REQUIRE_REDIS=1, but ${reason}`);
  console.error(`SKIPPED, every test that needs Redis: ${reason}`);
}

/** `describe` for tests that need a server; visibly skipped, with the reason in the title, where none is installed. */
export function describeOnRedis(title: string, suite: () => void): void {
  if (hasServer) describe(title, suite);
  else describe.skip(`${title} (skipped: no redis-server)`, suite);
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Ends every server that the file started. Registered while the file is collected, because vitest ignores it in a running hook or test. */
const endings: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const end of endings) await end();
});

/** Starts a server that the file's end stops. @param words further options of redis-server, such as `--requirepass secret` */
export async function startRedis(words: string[] = []): Promise<TestRedis> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'tilegrad-redis-'));
  let child: ChildProcess | undefined;
  const start = async () => {
    const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', ...words];
    child = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      let text = '';
      child!.stdout!.on('data', (chunk) => {
        text += chunk;
        if (text.includes('Ready to accept connections')) resolve();
      });
      child!.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${text}`)));
    });
  };
  const stop = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child!.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  };
  endings.push(async () => {
    await stop();
    rmSync(dir, { recursive: true, force: true });
  });
  await start();
  return { port, url: `redis://127.0.0.1:${port}`, start, stop };
}
