// A CommonJS program: Node 20.19 and newer load modules with require(), too.
import tilegrad = require('tilegrad');
import node = require('tilegrad/node');

async function main(): Promise<void> {
  const device = await node.openDevice();
  const x = tilegrad.tensor(device, [1, -2, 3], [3], { requiresGrad: true });
  tilegrad.sum(tilegrad.relu(x)).backward();
  const gradient = [...((await x.grad!.data()) as Float32Array)];
  device.dispose();
  if (gradient.join() !== '1,0,1') throw new Error(`the gradient is ${gradient.join()}`);
  process.stdout.write(`the gradient is ${gradient.join()}\n`);
}

void main();
