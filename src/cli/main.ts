import { main } from './cli.ts';
import { parts } from './parts.ts';

// A reader that closes the pipe early, such as `head`, must not end a training with a stack trace.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

// The entry of the bundle dist/cli.js. The exit code is set, not exited with: output still on its way must arrive,
// and a process that does not end by itself would show that something was not disposed.
process.exitCode = await main(process.argv, parts);
