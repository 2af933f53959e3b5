import { copyArray } from '../../autograd/copy-array.ts';
import { Tensor } from '../../autograd/tensor.ts';
import { formatValue, readList } from '../../base/check.ts';
import { ArgumentError, DisposedError } from '../../base/errors.ts';
import type { Device } from '../../gpu/device.ts';
import { type DeviceArray, type Shape, showShape, sizeOf } from '../../kernels/array.ts';
import { BLOCK } from '../../kernels/optimizers/blocks.ts';
import { fill } from '../../kernels/pointwise/pointwise.ts';
import { FlatLayout, type FlatWeight, type UpdateRange } from '../weights/flat-layout.ts';
import { sliceFlat } from '../weights/flat-range.ts';

/** @throws ArgumentError, DisposedError unless `given` is a list of tensors that one optimizer can train */
function checkTensors(kind: string, given: unknown): Tensor[] {
  const list = readList(kind, given);
  const subject = `${kind}: parameters`;
  if (!list) {
    throw new ArgumentError(`${subject} must be model.parameters or a list of tensors, but is ${formatValue(given)}`);
  }
  if (list.length === 0) throw new ArgumentError(`${subject} is an empty list, so there is nothing to train`);
  const tensors = list.map((one, i) => {
    if (!(one instanceof Tensor)) {
      throw new ArgumentError(
        `${subject}[${i}] must be a tensor, but is ${formatValue(one)}; for the weights of a model, give parameters: model.parameters`,
      );
    }
    const { array, shape } = one;
    if (array.disposed)
      throw new DisposedError(`${subject}[${i}], a tensor of shape ${showShape(shape)}, ${array.disposedMessage}`);
    if (!one.requiresGrad) {
      throw new ArgumentError(
        `${subject}[${i}], a tensor of shape ${showShape(shape)}, requires no gradient; create it with tensor(device, data, shape, { requiresGrad: true })`,
      );
    }
    if (one.node) {
      throw new ArgumentError(
        `${subject}[${i}], a tensor of shape ${showShape(shape)}, was computed from others; only leaves can be trained`,
      );
    }
    return one;
  });
  const [first] = tensors as [Tensor];
  for (const [i, one] of tensors.entries()) {
    if (tensors.indexOf(one) !== i) {
      throw new ArgumentError(
        `${subject}[${i}] is the same tensor as parameters[${tensors.indexOf(one)}]; give each once`,
      );
    }
    if (one.device !== first.device) {
      throw new ArgumentError(
        `${subject}[${i}] is on another device than parameters[0]; make an optimizer for each device`,
      );
    }
    if (one.replicas !== first.replicas) {
      throw new ArgumentError(
        `${subject}[${i}] has ${one.replicas} replicas, but parameters[0] has ${first.replicas}; make an optimizer for each`,
      );
    }
  }
  return tensors;
}

/** A tensor with its offset in the flat gradients. */
interface ListedTensor extends FlatWeight {
  readonly offset: number;
  readonly spec: { readonly shape: Shape };
}

/** Tensors without a model, for an optimizer. Their gradients are in one flat buffer; their values stay in separate arrays. */
export class TensorList extends FlatLayout<ListedTensor> {
  readonly device: Device;
  readonly replicas: number;
  readonly gradients: DeviceArray;
  readonly weights: readonly ListedTensor[];
  readonly penalties = null;
  /** The gradient buffers assigned here, by tensor. A tensor that already has one keeps it. */
  private readonly gradBuffers = new Map<Tensor, DeviceArray>();

  /** @throws ArgumentError, DisposedError unless one optimizer can train all tensors */
  constructor(kind: string, given: readonly Tensor[]) {
    super();
    const tensors = checkTensors(kind, given);
    const [{ device, replicas }] = tensors as [Tensor];
    this.device = device;
    this.replicas = replicas;
    let next = 0;
    this.weights = tensors.map((tensor) => {
      const offset = next;
      next += Math.ceil((replicas * tensor.size) / BLOCK) * BLOCK;
      return { tensor, offset, trainable: true, spec: { shape: tensor.shape } };
    });
    this.gradients = fill(device, [Math.max(next, BLOCK)], 0).keep();
    for (const weight of this.weights) this.assignGradBuffer(weight);
  }

  /** Makes backward passes write the tensor's gradient to the flat buffer. */
  private assignGradBuffer(weight: ListedTensor): void {
    const { tensor } = weight;
    if (tensor.gradBuffer) return;
    const view = this.gradientView(weight).keep();
    const { grad } = tensor;
    this.gradBuffers.set(tensor, view);
    if (grad) copyArray(grad.array, view);
    tensor.grad = null;
    tensor.gradBuffer = view;
    if (grad) tensor.grad = new Tensor(view.reshape(view.shape));
  }

  get updates(): UpdateRange[] {
    return this.weights.map(({ tensor: { array }, offset, spec: { shape } }, i) => {
      if (array.disposed) {
        throw new DisposedError(
          `step: parameters[${i}], a tensor of shape ${showShape(shape)}, was disposed; make an optimizer for the remaining tensors`,
        );
      }
      const size = this.replicas * sizeOf(shape);
      return { range: { offset, size, firstBlock: 0, blocks: 0 }, weight: sliceFlat(array, { offset: 0, size }) };
    });
  }

  override zeroGrad(): void {
    for (const { tensor } of this.weights) tensor.grad = null;
  }

  /** Detaches the tensors from the flat buffer; gradients in it are lost. */
  dispose(): void {
    for (const [tensor, buffer] of this.gradBuffers) {
      if (tensor.gradBuffer === buffer) {
        if (tensor.grad?.array.storage.buffer === buffer.storage.buffer) tensor.grad = null;
        tensor.gradBuffer = null;
      }
      buffer.dispose();
    }
    this.gradBuffers.clear();
    this.gradients.dispose();
    this.disposeLayout();
  }
}
