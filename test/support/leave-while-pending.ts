import { openDevice, pow, tensor } from '../../src/node.ts';

// Runs as a separate program with --expose-gc (see gpu/pending.test.ts): disposes devices while Dawn still has shaders to
// check and a fence to resolve, and then collects garbage at once.
for (let round = 0; round < 6; round++) {
  const device = await openDevice();
  const x = tensor(device, [1, 2], [2]);
  device.record(() => void pow(x, x));
  void device.gpu.queue.onSubmittedWorkDone();
  device.dispose();
  for (let i = 0; i < 20; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, round % 2));
  }
}
process.stdout.write(typeof globalThis.gc === 'function' ? 'left\n' : 'run me with --expose-gc\n');
