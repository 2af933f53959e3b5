import { checkFunction } from '../check.ts';
import { ArgumentError, DisposedError, ShapeError } from '../errors.ts';
import { withOrigin } from '../gpu/origin.ts';
import { type DeviceArray, sameShape, showShape, withScope } from '../kernels/array.ts';
import { accumulate, add, fill } from '../kernels/pointwise.ts';
import { commonModels } from '../kernels/run.ts';
import { moveWindow } from '../kernels/view.ts';
import { arrayOf } from './arguments.ts';
import { keepSpent } from './spent.ts';
import { recordingOf } from './step-recording.ts';
import { Tensor } from './tensor.ts';

/** What an operator's backward pass may ask about its inputs. */
export interface GradRequest {
  /** Whether input `i` needs a gradient at all. */
  wants(i: number): boolean;
  /** Where the gradient of input `i` may be written directly; undefined means a new array. Using it is optional. */
  into(i: number): DeviceArray | undefined;
}

/**
 * Gradients for an operator's inputs, in their order; null where none is wanted or none exists (integer inputs).
 * `dout` belongs to the tape: read it, or hand it on unchanged, but do not dispose it.
 */
export type Backward = (dout: DeviceArray, request: GradRequest) => (DeviceArray | null)[];

/** One operator application on the tape. */
export interface Node {
  inputs: readonly Tensor[];
  backward: Backward;
  /**
   * What `backward` gives for a gradient of 1, for operators that have it at hand: a loss is where backward passes begin, and
   * then neither the 1 nor the product with it is computed. What it returns belongs to the tape.
   */
  unit?: (request: GradRequest) => (DeviceArray | null)[];
  /** Arrays besides inputs and output that these read, and nobody else. */
  saved?: readonly DeviceArray[];
  /** Versions of the inputs' arrays when the operator read them. */
  versions: readonly number[];
  /** The layer that it belongs to, which its backward pass does too (see `Origin`). */
  layer: string | null;
  /** Whether a backward pass has gone through it and released what another one would need. */
  spent: boolean;
}

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
export const isTaped = (inputs: readonly Tensor[]): boolean => recording && inputs.some((input) => input.requiresGrad);

/** The result of an operator as a tensor; on the tape when an input needs a gradient. Every operator ends with this. */
export function taped(
  output: DeviceArray,
  inputs: readonly Tensor[],
  backwardPass: Backward,
  { unit, saved = [] }: Pick<Node, 'unit' | 'saved'> = {},
): Tensor {
  const onTape = isTaped(inputs);
  if (!onTape) for (const array of saved) array.dispose();
  if (!onTape) return new Tensor(output);
  const versions = inputs.map(({ array }) => array.version);
  const { layer } = output.device.origin;
  return new Tensor(output, true, { inputs, backward: backwardPass, unit, saved, versions, layer, spent: false });
}

/** Tensors that `root` depends on and that need a gradient, latest first: every use comes before what it uses. */
function history(root: Tensor): Tensor[] {
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
function checkGraph(graph: readonly Tensor[]): void {
  for (const { node } of graph) {
    if (node?.spent) {
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
  root: Tensor,
  dout?: Tensor,
  { retainGraph = false, releaseAll = false }: { retainGraph?: boolean; releaseAll?: boolean } = {},
): void {
  if (!root.requiresGrad) throw new ArgumentError('backward: nothing this tensor was made from requires a gradient');
  if (dout) {
    commonModels('backward', [root.array, arrayOf('backward', 'the gradient', dout)]);
    if (!sameShape(dout.shape, root.shape) || dout.dtype !== 'f32') {
      throw new ShapeError(
        `backward: the gradient must be f32 of shape ${showShape(root.shape)}, but is ${dout.dtype} ${showShape(dout.shape)}`,
      );
    }
  }
  const graph = history(root);
  checkGraph(graph);
  const hidden = new Set(graph.flatMap(({ parts }) => parts ?? []));
  const grads = new Map<Tensor, DeviceArray>();
  const leaves = new Set<Tensor>();
  const fresh: Tensor[] = [];
  withScope(
    root.device,
    () => {
      // One that lies in a buffer with others, such as another gradient, may meet the place of a gradient in that buffer.
      const given = dout?.array.storage.isView ? copyOf(dout.array) : dout?.array;
      const { unit } = root.node ?? {};
      if (unit && !dout) propagate(root, unit, grads);
      else grads.set(root, given ?? fill(root.device, root.shape, 1, { models: root.models }));
      for (const t of graph) {
        const grad = grads.get(t);
        if (grad && t.node) {
          propagate(t, (request) => t.node!.backward(grad, request), grads);
        } else if (grad) {
          if (!t.grad) fresh.push(t);
          withOrigin(t.device, { backward: true }, () => settle(t, grad));
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
    for (const { node } of graph) if (node) spend(node);
  }
  const { scopes } = root.device;
  const isFree = ({ array }: Tensor) => !array.disposed && !scopes.some((scope) => scope.has(array));
  const tensors = graph.filter((t) => t.node && isFree(t));
  keepSpent(root.device, { tensors, leaves, retained: retainGraph }, fresh);
}

/** Lets go of what a node refers to: a loss that is kept to be read does not hold its whole graph. */
function spend(node: Node): void {
  node.spent = true;
  node.inputs = [];
  node.versions = [];
  node.saved = [];
  node.backward = () => [];
  delete node.unit;
}

function propagate(
  { node, device }: Tensor,
  run: (request: GradRequest) => (DeviceArray | null)[],
  grads: Map<Tensor, DeviceArray>,
): void {
  withOrigin(device, { layer: node!.layer, backward: true }, () => propagateThrough(node!, run, grads));
}

function propagateThrough(
  node: Node,
  run: (request: GradRequest) => (DeviceArray | null)[],
  grads: Map<Tensor, DeviceArray>,
): void {
  const firstUse = (input: Tensor) => !grads.has(input) && !(input.node === null && input.grad);
  const results = run({
    wants: (i) => node.inputs[i]!.requiresGrad,
    into: (i) => {
      const input = node.inputs[i]!;
      // A home takes one result; an input used twice by one operator, or again later, gets its sum there afterwards.
      const usedOnce = node.inputs.filter((other) => other === input).length === 1;
      if (input.node !== null || !usedOnce || !firstUse(input) || !input.gradHome) return undefined;
      // No kernel may read a buffer that it writes to: an input that is a gradient itself may lie in that of the home.
      const { buffer } = input.gradHome.storage;
      const isRead = node.inputs.some(({ array }) => !array.disposed && array.storage.buffer === buffer);
      return isRead ? undefined : input.gradHome;
    },
  });
  node.inputs.forEach((input, i) => {
    const grad = results[i];
    if (!grad || !input.requiresGrad) return;
    const sum = grads.get(input);
    grads.set(input, sum ? add(sum, grad) : grad);
  });
}

/** The elements of `from` in an array of its shape, or in a new one. */
export const copyOf = (from: DeviceArray, into?: DeviceArray): DeviceArray =>
  moveWindow(
    'copy',
    from,
    from.shape.map(() => 0),
    from.shape,
    into ? { into } : {},
  );

/** The first gradient of a sum. */
function sumOf(grad: DeviceArray, into?: DeviceArray): DeviceArray {
  const sum = fill(grad.device, grad.shape, 0, { models: grad.models, into });
  accumulate(sum, grad);
  return sum;
}

/** Adds a leaf's gradient to its `grad`, in the place set aside for it if there is one. */
function settle(leaf: Tensor, grad: DeviceArray): void {
  if (leaf.array.disposed) {
    throw new DisposedError(
      `backward: a tensor of shape ${showShape(leaf.shape)} that requires a gradient was disposed before it got one`,
    );
  }
  recordingOf(leaf.device)?.settles(leaf);
  if (leaf.grad) {
    accumulate(leaf.grad.array, grad);
  } else if (leaf.gradHome) {
    const home = leaf.gradHome;
    if (grad !== home) sumOf(grad, home);
    leaf.grad = new Tensor(home.reshaped(home.shape)); // which may be disposed, and the place stays
  } else {
    leaf.grad = new Tensor(sumOf(grad));
  }
}
