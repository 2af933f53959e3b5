import { main } from './cli.ts';
import { lazyModules } from './lazy-modules.ts';

// What cannot be said must not end a training with a stack trace: a reader that closes the pipe early, such as `head`, wanted no
// more, and a full disk is told, once, by the exit code too.
let isCut = false;
for (const [name, stream] of [
  ['the output', process.stdout],
  ['the messages', process.stderr],
] as const) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || isCut) return;
    isCut = true;
    process.exitCode ||= 1; // it may come after the last word
    process.stderr.write(
      `${name} cannot be written: ${error.code === 'ENOSPC' ? 'the disk is full' : error.message}\n`,
    );
  });
}

// A promise of the user's module that never settles leaves nothing to wait for: Node would end with 0, as if all had been done.
let hasEnded = false;
process.once('beforeExit', () => {
  if (hasEnded) return;
  process.stderr.write(
    'error: nothing is left to wait for, but the command has not ended: an await in your module, or a promise that it returned, never settles\n',
  );
  process.exitCode = 1;
});

// The entry of the bundle dist/cli.js. The exit code is set, not exited with: output still on its way must arrive,
// and a process that does not end by itself would show that something was not disposed.
const exitCode = await main(process.argv, lazyModules);
hasEnded = true;
process.exitCode = exitCode || Number(isCut);
