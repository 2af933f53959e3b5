import { Tensor } from '../autograd/tensor.ts';
import type { Device } from '../gpu/device.ts';
import { DeviceArray, type Shape, sizeOf } from '../kernels/array.ts';
import { fill } from '../kernels/pointwise.ts';
import { RandomStream } from '../random.ts';
import type { Initializer } from './initializers.ts';

/** A weight that a layer asks for. */
export interface WeightSpec {
  name: string;
  shape: Shape;
  initializer: Initializer;
}

/** A weight of a built model. */
export interface Weight {
  /** Layer and weight, such as `conv2d/kernel`. */
  name: string;
  tensor: Tensor;
}

/** WebGPU binds buffers at multiples of 256 bytes: each weight starts at one. */
const ALIGNMENT = 64;

/**
 * All weights of a model in one flat buffer and all gradients in another of the same layout, so that an optimiser updates
 * everything in one dispatch. The gaps between weights hold zeros, whose gradients stay zero.
 */
export class ParameterStore {
  readonly values: DeviceArray;
  readonly gradients: DeviceArray;
  readonly weights: Weight[] = [];

  /** Weight number i draws from stream i of `seed`: adding a layer at the end leaves the others' values alone. */
  constructor(
    readonly device: Device,
    specs: readonly WeightSpec[],
    seed: number,
  ) {
    const padded = specs.map((spec) => Math.ceil(sizeOf(spec.shape) / ALIGNMENT) * ALIGNMENT);
    const total = Math.max(
      ALIGNMENT,
      padded.reduce((sum, n) => sum + n, 0),
    );
    const host = new Float32Array(total);
    this.values = DeviceArray.empty(device, [total]).keep();
    this.gradients = DeviceArray.empty(device, [total]).keep();
    let at = 0;
    specs.forEach((spec, i) => {
      host.set(spec.initializer(spec.shape, new RandomStream(seed, 'initializer', i)), at);
      const view = (flat: DeviceArray) =>
        new DeviceArray(device, spec.shape, 'f32', 1, flat.storage.view(4 * at, 4 * sizeOf(spec.shape))).keep();
      const tensor = new Tensor(view(this.values), true);
      tensor.gradHome = view(this.gradients);
      this.weights.push({ name: spec.name, tensor });
      at += padded[i]!;
    });
    device.upload(this.values.storage, host);
    fill(device, [total], 0, { into: this.gradients });
  }

  /** Forgets all gradients: the next `backward` overwrites them. */
  zeroGrad(): void {
    for (const { tensor } of this.weights) tensor.grad = null;
  }

  dispose(): void {
    for (const { tensor } of this.weights) {
      tensor.gradHome?.dispose();
      tensor.dispose();
    }
    this.values.dispose();
    this.gradients.dispose();
  }
}
