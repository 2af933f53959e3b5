import { OutOfMemoryError, openDevice, pad, type Tensor, tensor } from '../../src/node.ts';

// Runs as a separate program with little memory (see gpu/memory.test.ts): sweeps over sizes that fit alone but not all
// together, then allocates all memory, and continues after it was freed.
const MIB = 2 ** 20;
const say = (line: string) => process.stdout.write(`${line}\n`);
using device = await openDevice();

/** Writes to all of the memory, as kernels do. */
function fillMemory(mib: number): Tensor {
  using one = tensor(device, [2], [1]);
  return pad(one, [[0, (mib * MIB) / 4 - 1]], { value: 2 });
}

for (let mib = 32; mib <= 128; mib += 4) {
  const y = fillMemory(mib);
  await device.sync();
  y.dispose();
}
say('swept');

const held: Tensor[] = [];
try {
  for (;;) held.push(fillMemory(100));
} catch (error) {
  say(error instanceof OutOfMemoryError ? `OutOfMemoryError, ${held.length > 2}` : `${error}`);
}
held.pop()!.dispose();
held.pop()!.dispose();
say(`${(await held[0]!.data())[5]}`);
for (const one of held) one.dispose();
using again = fillMemory(128);
say(`${(await again.data()).at(-1)}`);
