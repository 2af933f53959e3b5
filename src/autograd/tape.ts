import { checkFunction } from '../base/check.ts';
import { ArgumentError, DisposedError, ShapeError } from '../base/errors.ts';
import { withOrigin } from '../gpu/origin.ts';
import { type DeviceArray, sameShape, showShape, withScope } from '../kernels/array.ts';
import { accumulate, add, fill } from '../kernels/pointwise/pointwise.ts';
import { commonReplicas } from '../kernels/run.ts';
import { copyArray } from './copy-array.ts';
import { keepFinished } from './finished-graphs.ts';
import type { GradRequest, Node, TapeTensor } from './node.ts';
import { recordingOf } from './step-recording.ts';

let recording = true;

/** Runs `body` without a tape: nothing in it can be differentiated, and nothing is kept for it. */
export function noGrad<T>(body: () => T): T {
  checkFunction('noGrad', body);
  const before = recording;
  recording = false;
  try {
    return body();
  } finally {
    recording = before;
  }
}

/** Whether an operator with these inputs goes on the tape: whether there may be a gradient. */
export const isTaped = (inputs: readonly TapeTensor[]): boolean =>
  recording && inputs.some((input) => input.requiresGrad);

/** Tensors that `root` depends on and that need a gradient, latest first: every use comes before what it uses. */
function dependencies(root: TapeTensor): TapeTensor[] {
  const seen = new Set([root]);
  const stack = [root];
  for (let t = stack.pop(); t; t = stack.pop()) {
    for (const input of t.node?.inputs ?? []) {
      if (input.requiresGrad && !seen.has(input)) {
        seen.add(input);
        stack.push(input);
      }
    }
  }
  return [...seen].sort((a, b) => b.serial - a.serial);
}

/** @throws ArgumentError where an earlier pass released the graph, or its leaves were changed since */
function checkGraph(graph: readonly TapeTensor[]): void {
  for (const { node } of graph) {
    if (node?.released) {
      throw new ArgumentError(
        'backward: an earlier backward() has gone through this graph, or a part of it, and released it; compute the loss again, or give ' +
          'the earlier one { retainGraph: true }',
      );
    }
    for (const [i, { array }] of (node?.inputs ?? []).entries()) {
      if (array.version === node!.versions[i]) continue;
      throw new ArgumentError(
        `backward: a tensor of shape ${showShape(array.shape)} was given other values (by assign, setWeights or step) after the loss was ` +
          'computed from it, so its gradient would be wrong; compute the loss again',
      );
    }
  }
}

/** See `Tensor.backward`. `releaseAll` releases what the user may hold, too, all but `root`: for steps that the library itself makes. */
export function backward(
  root: TapeTensor,
  dout?: TapeTensor,
  { retainGraph = false, releaseAll = false }: { retainGraph?: boolean; releaseAll?: boolean } = {},
): void {
  if (!root.requiresGrad) throw new ArgumentError('backward: nothing this tensor was made from requires a gradient');
  if (dout) {
    commonReplicas('backward', [root.array, dout.array]);
    if (!sameShape(dout.shape, root.shape) || dout.dtype !== 'f32') {
      throw new ShapeError(
        `backward: the gradient must be f32 of shape ${showShape(root.shape)}, but is ${dout.dtype} ${showShape(dout.shape)}`,
      );
    }
  }
  const graph = dependencies(root);
  checkGraph(graph);
  const hidden = new Set(graph.flatMap(({ intermediates }) => intermediates ?? []));
  const grads = new Map<TapeTensor, DeviceArray>();
  const leaves = new Set<TapeTensor>();
  const newLeaves: TapeTensor[] = [];
  withScope(
    root.device,
    () => {
      // One that lies in a buffer with others, such as another gradient, may meet the place of a gradient in that buffer.
      const given = dout?.array.storage.isView ? copyArray(dout.array) : dout?.array;
      const { backwardOfOne } = root.node ?? {};
      if (backwardOfOne && !dout) propagate(root, backwardOfOne, grads);
      else grads.set(root, given ?? fill(root.device, root.shape, 1, { models: root.models }));
      for (const t of graph) {
        const grad = grads.get(t);
        if (grad && t.node) {
          propagate(t, (request) => t.node!.backward(grad, request), grads);
        } else if (grad) {
          if (!t.grad) newLeaves.push(t);
          withOrigin(t.device, { backward: true }, () => accumulateLeafGrad(t, grad));
          leaves.add(t);
        }
        // Everything that was made from t has had its turn, so nobody reads t again.
        if (!retainGraph && t.node) {
          for (const array of t.node.saved ?? []) array.dispose();
          if (hidden.has(t.array) || (releaseAll && t !== root)) t.array.dispose();
        }
        if (!grad) continue;
        // Nobody else reads an intermediate gradient: its memory serves the next one. A gradient handed on unchanged (by
        // `add`, say) lives in several entries and goes with the scope instead.
        grads.delete(t);
        if (t.node && grad !== given && ![...grads.values()].includes(grad)) grad.dispose();
      }
    },
    () => [],
  );
  if (!retainGraph) {
    for (const array of hidden) array.dispose();
    for (const { node } of graph) if (node) releaseNode(node);
  }
  const { scopes } = root.device;
  const isFree = ({ array }: TapeTensor) => !array.disposed && !scopes.some((scope) => scope.has(array));
  const tensors = graph.filter((t) => t.node && isFree(t));
  keepFinished(root.device, { tensors, leaves, retained: retainGraph }, newLeaves);
}

/** Lets go of what a node refers to: a loss that is kept to be read does not hold its whole graph. */
function releaseNode(node: Node): void {
  node.released = true;
  node.inputs = [];
  node.versions = [];
  node.saved = [];
  node.backward = () => [];
  delete node.backwardOfOne;
}

function propagate(
  { node, device }: TapeTensor,
  run: (request: GradRequest) => (DeviceArray | null)[],
  grads: Map<TapeTensor, DeviceArray>,
): void {
  withOrigin(device, { layer: node!.layer, backward: true }, () => propagateThrough(node!, run, grads));
}

function propagateThrough(
  node: Node,
  run: (request: GradRequest) => (DeviceArray | null)[],
  grads: Map<TapeTensor, DeviceArray>,
): void {
  const firstUse = (input: TapeTensor) => !grads.has(input) && !(input.node === null && input.grad);
  const results = run({
    needsGrad: (i) => node.inputs[i]!.requiresGrad,
    into: (i) => {
      const input = node.inputs[i]!;
      // A home takes one result; an input used twice by one operator, or again later, gets its sum there afterwards.
      const usedOnce = node.inputs.filter((other) => other === input).length === 1;
      if (input.node !== null || !usedOnce || !firstUse(input) || !input.gradBuffer) return undefined;
      // No kernel may read a buffer that it writes to: an input that is a gradient itself may lie in that of the home.
      const { buffer } = input.gradBuffer.storage;
      const isRead = node.inputs.some(({ array }) => !array.disposed && array.storage.buffer === buffer);
      return isRead ? undefined : input.gradBuffer;
    },
  });
  node.inputs.forEach((input, i) => {
    const grad = results[i];
    if (!grad || !input.requiresGrad) return;
    const sum = grads.get(input);
    grads.set(input, sum ? add(sum, grad) : grad);
  });
}

/** The first gradient of a sum. */
function startSum(grad: DeviceArray, into?: DeviceArray): DeviceArray {
  const sum = fill(grad.device, grad.shape, 0, { models: grad.replicas, into });
  accumulate(sum, grad);
  return sum;
}

/** Adds a leaf's gradient to its `grad`, in the place set aside for it if there is one. */
function accumulateLeafGrad(leaf: TapeTensor, grad: DeviceArray): void {
  if (leaf.array.disposed) {
    throw new DisposedError(
      `backward: a tensor of shape ${showShape(leaf.shape)} that requires a gradient was disposed before it got one`,
    );
  }
  recordingOf(leaf.device)?.noteAccumulation(leaf);
  if (leaf.grad) {
    accumulate(leaf.grad.array, grad);
  } else if (leaf.gradBuffer) {
    const home = leaf.gradBuffer;
    if (grad !== home) startSum(grad, home);
    leaf.setGrad(home.reshape(home.shape)); // which may be disposed, and the place stays
  } else {
    leaf.setGrad(startSum(grad));
  }
}
