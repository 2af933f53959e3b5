#!/usr/bin/env node
// `npm run test:wgpu`: runs the tests that vitest.config.ts lists for wgpu, in Deno. Arguments are passed to vitest.
// A missing adapter is a failure unless REQUIRE_GPU=0, because a run that skips all tests checks nothing.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, say } from '../setup/messages.mjs';
import { ensureDeno } from './deno.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

try {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const words = ['run', '-A', '--unstable-webgpu', vitest, 'run', ...process.argv.slice(2)];
  const { status, signal, error } = spawnSync(ensureDeno(), words, {
    cwd: root,
    stdio: 'inherit',
    env: { REQUIRE_GPU: '1', ...process.env, DENO_NO_UPDATE_CHECK: '1' },
  });
  if (error) throw new SetupError(`Deno did not start: ${error.message}`);
  if (signal) say(`Deno was ended by ${signal}`);
  process.exitCode = status ?? 1;
} catch (error) {
  say(error instanceof SetupError ? error.message : error.stack);
  process.exitCode = 1;
}
