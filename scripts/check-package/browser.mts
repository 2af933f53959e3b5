// A program of a web page: it imports from `tilegrad` and uses the browser's WebGPU. Compiled without the types of the DOM, WebGPU and Node,
// and bundled without Node and without optional packages.
import { Adam, Dense, Device, type FitOptions, MissingPackageError, relu, Sequential, sum, tensor } from 'tilegrad';

declare const navigator: { readonly gpu: Parameters<typeof Device.open>[0] };

export async function train(options: FitOptions): Promise<number> {
  const device: Device = await Device.open(navigator.gpu, { powerPreference: 'high-performance' });
  try {
    const model = new Sequential([
      new Dense({ units: 16, activation: 'relu', inputShape: [2] }),
      new Dense({ units: 1, activation: 'sigmoid' }),
    ]).build(device, { seed: 1 });
    model.compile({ optimizer: new Adam({ learningRate: 0.01 }), loss: 'binaryCrossentropy' });
    const history = await model.fit({ x: [[0, 1]], y: [1] }, options);
    const x = tensor(device, [1, -2, 3], [3], { requiresGrad: true });
    sum(relu(x)).backward();
    const values: Float32Array = (await x.grad!.data()) as Float32Array;
    return history.epochs[0]!.loss + values.length;
  } catch (error) {
    if (error instanceof MissingPackageError) return Number.NaN;
    throw error;
  } finally {
    device.dispose();
  }
}

// @ts-expect-error: an unknown option
new Dense({ unit: 3 });
// @ts-expect-error: a loss is a number
export const wrong: Promise<string> = train({ epochs: 1 });
