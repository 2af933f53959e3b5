import { type Device, type Layer, Sequential, scope, tensor } from '../../src/node.ts';
import { map, type NdArray, ndarray } from '../reference/ndarray.ts';
import { drawLike } from './operator-cases.ts';

export interface LayerRun {
  x: NdArray;
  /** Upstream gradient of the output. */
  dout: NdArray;
  /** Initial weights by name, without the layer's name. */
  weights: Record<string, NdArray>;
  output: NdArray;
  dx: NdArray;
  /** Gradients of the trainable weights. */
  gradients: Record<string, NdArray>;
  /** All weights after the run. */
  after: Record<string, NdArray>;
  /** What the model expected as its output's shape, with the batch. */
  planned: number[];
}

const exact = (a: NdArray) => map(a, Math.fround);

/** A model of one layer, its weights drawn (variances positive), run forward and backward on a drawn batch of three. */
export async function runLayer(device: Device, layer: Layer, options: { training?: boolean } = {}): Promise<LayerRun> {
  const model = new Sequential([layer]).build(device);
  const named = model.weights.map((weight, i) => {
    const name = weight.name.split('/').at(-1)!;
    const drawn = exact(drawLike(weight.tensor.shape, 10 + i));
    return { name, weight, host: name.includes('variance') ? exact(map(drawn, (v) => v * v)) : drawn };
  });
  for (const { weight, host } of named) device.upload(weight.tensor.array.storage, Float32Array.from(host.data));
  const batch = [3, ...model.inputShape];
  const x = exact(drawLike(batch, 3));
  const input = tensor(device, x.data, batch, { requiresGrad: true });
  const planned = [3, ...model.outputShape];
  const dout = exact(drawLike(planned, 4));
  const y = scope(device, () => {
    model.parameters.zeroGrad();
    const result = model.call(input, options);
    result.backward(tensor(device, dout.data, planned));
    return { output: result, dx: input.grad! };
  });
  const read = async (t: { shape: readonly number[]; data(): Promise<ArrayLike<number>> }) =>
    ndarray(t.shape, await t.data());
  const gradients: Record<string, NdArray> = {};
  const after: Record<string, NdArray> = {};
  for (const { name, weight } of named) {
    if (weight.tensor.grad) gradients[name] = await read(weight.tensor.grad);
    after[name] = await read(weight.tensor);
  }
  const weights = Object.fromEntries(named.map(({ name, host }) => [name, host]));
  const run = { x, dout, weights, output: await read(y.output), dx: await read(y.dx), gradients, after, planned };
  for (const owned of [y.output, y.dx, input, model]) owned.dispose();
  return run;
}
