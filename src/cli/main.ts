import { main } from './cli.ts';
import { lazyModules } from './lazy-modules.ts';

// Output that cannot be written must not end a training with a stack trace. A reader that closes the pipe early, such as `head`, is not
// an error; a full disk is reported once, also by the exit code.
let isCut = false;
for (const [name, stream] of [
  ['the output', process.stdout],
  ['the messages', process.stderr],
] as const) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || isCut) return;
    isCut = true;
    process.exitCode ||= 1; // the error may come after the command has ended
    process.stderr.write(
      `${name} cannot be written: ${error.code === 'ENOSPC' ? 'the disk is full' : error.message}\n`,
    );
  });
}

// If a promise of the user's module never settles, the event loop runs empty, and Node would exit with 0 as after success.
let hasEnded = false;
process.once('beforeExit', () => {
  if (hasEnded) return;
  process.stderr.write(
    'error: nothing is left to wait for, but the command has not ended: an await in your module, or a promise that it returned, never settles\n',
  );
  process.exitCode = 1;
});

// The entry of the bundle dist/cli.js. It sets the exit code instead of calling `process.exit`, so that pending output arrives and a
// resource that was not disposed shows as a process that does not end.
const exitCode = await main(process.argv, lazyModules);
hasEnded = true;
process.exitCode = exitCode || Number(isCut);
