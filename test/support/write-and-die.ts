import { writeFilesAtomic } from '../../src/base/atomic-file.ts';

// Runs as a separate program (see atomic-file.test.ts) with the path of a file and what happens when its bytes are on the disk under
// another name, but not yet under its own: `die`, as by the kernel where memory runs out, or `wait`.
const [path, then] = process.argv.slice(2) as [string, 'die' | 'wait'];
const second = Object.defineProperty([`${path}.second`, ''], 1, {
  get() {
    if (then === 'die') process.kill(process.pid, 'SIGKILL');
    process.stderr.write('written');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
    return '';
  },
}) as unknown as readonly [string, string];
writeFilesAtomic([[path, 'half'], second]);
