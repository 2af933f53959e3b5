import { Adam, type CompileOptions, Dense, type Device, type Layer, Sequential } from '../../src/node.ts';
import { random } from './random.ts';

export const SIZE = 40;

/** Points of the plane; the class is the side of a line they lie on. */
export function points(size = SIZE) {
  const values = random(7);
  const x = Float32Array.from({ length: 2 * size }, () => 2 * values.uniform() - 1);
  const labels = Array.from({ length: size }, (_, i) => Number(x[2 * i]! + 2 * x[2 * i + 1]! > 0.1));
  return { x, labels };
}

/** A small network on points, ready to be trained. */
export function build(device: Device, last: Layer, compile: Partial<CompileOptions> = {}, seed = 5): Sequential {
  return new Sequential([new Dense({ units: 4, activation: 'tanh', inputShape: [2] }), last])
    .build(device, { seed })
    .compile({ optimizer: new Adam({ learningRate: 0.05 }), loss: 'binaryCrossentropy', ...compile });
}

export const sigmoid = () => new Dense({ units: 1, activation: 'sigmoid' });
export const softmax = (units = 2) => new Dense({ units, activation: 'softmax' });
export const weightsOf = async (model: Sequential) => Array.from(await model.weights[0]!.tensor.data());
