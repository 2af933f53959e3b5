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
let recomputing = false;

/** Runs `body` without recording on the tape: its results have no gradient, and no intermediate array is kept. */
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

/**
 * Runs `body` on the tape, as a repetition of an earlier call: see `recompute`. Operators that also change something, such as the running
 * statistics of a batch normalization, leave it unchanged.
 */
export function repeatForward<T>(body: () => T): T {
  const before = [recording, recomputing] as const;
  [recording, recomputing] = [true, true];
  try {
    return body();
  } finally {
    [recording, recomputing] = before;
  }
}

/** Whether a forward pass is being repeated: see `repeatForward`. */
export const isRepeated = (): boolean => recomputing;

/** Whether an operator with these inputs is recorded on the tape: an input requires a gradient, outside of `noGrad`. */
export const isTaped = (inputs: readonly TapeTensor[]): boolean =>
  recording && inputs.some((input) => input.requiresGrad);

/** Tensors that `root` depends on and that require a gradient, latest first: each tensor comes before its inputs. */
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

/** @throws ArgumentError if an earlier pass released the graph, or a tensor of it was changed since */
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

/** See `Tensor.backward`. `releaseAll` also releases tensors that users may hold, except `root`: for the library's own training steps. */
export function backward(
  root: TapeTensor,
  dout?: TapeTensor,
  { retainGraph = false, releaseAll = false }: { retainGraph?: boolean; releaseAll?: boolean } = {},
): void {
  if (!root.requiresGrad) {
    throw new ArgumentError(
      'backward: no tensor that this one was computed from requires a gradient; make one with { requiresGrad: true }',
    );
  }
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
  const intermediates = intermediatesOf(graph);
  const leaves = new Set<TapeTensor>();
  const newLeaves: TapeTensor[] = [];
  withScope(
    root.device,
    () => {
      // A view shares its buffer with other arrays, and no kernel may read and write the same buffer, so it is copied.
      const outputGrad = dout?.array.storage.isView ? copyArray(dout.array) : dout?.array;
      const onLeaf = (leaf: TapeTensor, grad: DeviceArray) => {
        if (!leaf.grad) newLeaves.push(leaf);
        withOrigin(leaf.device, { backward: true }, () => accumulateLeafGrad(leaf, grad));
        leaves.add(leaf);
      };
      walkGraph(root, graph, outputGrad, { intermediates, retainGraph, releaseAll, onLeaf });
    },
    () => [],
  );
  if (!retainGraph) {
    for (const array of intermediates) array.dispose();
    for (const { node } of graph) if (node) releaseNode(node);
  }
  const { scopes } = root.device;
  const isFree = ({ array }: TapeTensor) => !array.disposed && !scopes.some((scope) => scope.has(array));
  const tensors = graph.filter((t) => t.node && isFree(t));
  keepFinished(root.device, { tensors, leaves, retained: retainGraph }, newLeaves);
}

const intermediatesOf = (graph: readonly TapeTensor[]) =>
  new Set(graph.flatMap(({ intermediates }) => intermediates ?? []));

/** Propagates gradients from `root` to the leaves. @param outputGrad default 1 */
function walkGraph(
  root: TapeTensor,
  graph: readonly TapeTensor[],
  outputGrad: DeviceArray | undefined,
  options: {
    intermediates: ReadonlySet<DeviceArray>;
    retainGraph: boolean;
    releaseAll: boolean;
    onLeaf: (leaf: TapeTensor, grad: DeviceArray) => void;
  },
): void {
  const { intermediates, retainGraph, releaseAll, onLeaf } = options;
  const grads = new Map<TapeTensor, DeviceArray>();
  const { backwardOfOne } = root.node ?? {};
  if (backwardOfOne && !outputGrad) propagate(root, backwardOfOne, grads);
  else grads.set(root, outputGrad ?? fill(root.device, root.shape, 1, { replicas: root.replicas }));
  for (const t of graph) {
    const grad = grads.get(t);
    if (grad && t.node) propagate(t, (request) => t.node!.backward(grad, request), grads);
    else if (grad) onLeaf(t, grad);
    // All tensors computed from t were visited, so t is not read again.
    if (!retainGraph && t.node) {
      for (const array of t.node.saved ?? []) array.dispose();
      if (intermediates.has(t.array) || (releaseAll && t !== root)) t.array.dispose();
    }
    if (!grad) continue;
    // An intermediate gradient is not read again, so its memory is reused. A gradient passed on unchanged (as by
    // `add`) is in several entries, and the scope releases it instead.
    grads.delete(t);
    if (t.node && grad !== outputGrad && ![...grads.values()].includes(grad)) grad.dispose();
  }
}

/**
 * Gradients of the leaves that `root` depends on, instead of additions to their `grad`. Releases the graph, also tensors that users may
 * hold. The scope of the caller owns the gradients; one may be `dout` itself, or be in the leaf's `gradBuffer`.
 */
export function leafGradients(root: TapeTensor, dout: DeviceArray): ReadonlyMap<TapeTensor, DeviceArray> {
  const graph = dependencies(root);
  checkGraph(graph);
  const found = new Map<TapeTensor, DeviceArray>();
  const intermediates = intermediatesOf(graph);
  const onLeaf = (leaf: TapeTensor, grad: DeviceArray) => found.set(leaf, grad);
  walkGraph(root, graph, dout, { intermediates, retainGraph: false, releaseAll: true, onLeaf });
  return found;
}

/** Clears a node's references, so that a loss that is kept does not keep its whole graph alive. */
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
      // The buffer takes one result; if an input is used more than once, the sum is written to it afterwards.
      const usedOnce = node.inputs.filter((other) => other === input).length === 1;
      if (input.node !== null || !usedOnce || !firstUse(input) || !input.gradBuffer) return undefined;
      // No kernel may read a buffer that it writes, and an input that is itself a gradient may be in the same buffer.
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

/** Starts a sum of gradients: 0 + `grad`, written to `into` or a new array. */
function startSum(grad: DeviceArray, into?: DeviceArray): DeviceArray {
  const sum = fill(grad.device, grad.shape, 0, { replicas: grad.replicas, into });
  accumulate(sum, grad);
  return sum;
}

/** Adds `grad` to a leaf's `grad`; the first is written to its `gradBuffer` if it has one. */
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
    leaf.setGrad(home.reshape(home.shape)); // a handle that users may dispose; the buffer itself stays
  } else {
    leaf.setGrad(startSum(grad));
  }
}
