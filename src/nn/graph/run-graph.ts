import { compose } from '../../autograd/compose.ts';
import { recompute } from '../../autograd/recompute.ts';
import { isTaped } from '../../autograd/tape.ts';
import { Tensor } from '../../autograd/tensor.ts';
import { formatValue } from '../../base/check.ts';
import { ArgumentError, ShapeError } from '../../base/errors.ts';
import { withOrigin } from '../../gpu/origin.ts';
import { type DeviceArray, type Shape, sameShape, showShape, withScope } from '../../kernels/array.ts';
import { activate } from '../layers/activation.ts';
import type { CallContext, Graph, Layer } from '../layers/layer.ts';
import { callFused, MAX_FUSED_LAYERS } from './fusion.ts';
import { type LayerCall, layerCalls } from './layer-calls.ts';
import { type RecomputeSegment, recomputeSegments } from './recompute-segments.ts';

/** The part of a model between two of its values, by their numbers (see `LayerCall`). Default: from its input to its output. */
export interface GraphRange {
  from?: number;
  to?: number;
}

/**
 * A model's output for x [N, ...inputShape], layer by layer; the logits if the model ends in a softmax or sigmoid.
 * @param context has the weights of all layers in order, and in `random` the index of the first layer
 * @param range number of the value that x is, and of the value to return
 */
export function runGraph(graph: Graph, x: Tensor, context: CallContext, range: GraphRange = {}): Tensor {
  const calls = layerCalls(graph);
  const { from = 0, to = calls.length } = range;
  return compose(x.device, () => {
    const segments = context.training ? recomputeSegments(calls, { from, to }) : [];
    return runCalls(calls, new Map([[from, x]]), context, { from, to, segments });
  });
}

/** @param given values that the calls read, by their numbers */
function runCalls(
  calls: readonly LayerCall[],
  given: ReadonlyMap<number, Tensor>,
  { weights, training, random }: CallContext,
  { from, to, segments }: { from: number; to: number; segments: readonly RecomputeSegment[] },
): Tensor {
  const values = new Map(given);
  const lifetimes = new ValueLifetimes(calls.slice(from, to), from, given);
  const contextOf = (i: number): CallContext => {
    const { firstWeight, weightCount, layerIndex } = calls[i]!;
    return {
      weights: weights.slice(firstWeight, firstWeight + weightCount),
      training,
      random: { ...random, layer: random.layer + layerIndex },
    };
  };
  const chains = fusibleChains(calls, to);
  for (let i = from; i < to; i++) {
    const first = i;
    const segment = segments.find((one) => one.first === i);
    if (segment) {
      const value = runSegment(calls, segment, values, { weights, training, random });
      values.set(segment.end, value);
      const read = calls.slice(segment.first, segment.end).flatMap(({ inputs }) => inputs);
      lifetimes.release(
        values,
        segment.end,
        read.filter((number) => number <= segment.first),
      );
      i = segment.end - 1;
      continue;
    }
    const call = calls[i]!;
    const inputs = call.inputs.map((number) => values.get(number)!);
    const context = contextOf(i);
    const value = releaseIntermediates([...inputs, ...context.weights], () =>
      withOrigin(inputs[0]!.device, { layer: call.title }, () => {
        const fused = prefixErrors(call.title, () =>
          callFused(chains[first]!, inputs[0]!, (k) => contextOf(first + k)),
        );
        if (!fused) return runCall(call, inputs, context);
        i += fused.layers - 1; // no other layer reads the values between
        return fused.value;
      }),
    );
    values.set(i + 1, value);
    lifetimes.release(values, i + 1, call.inputs);
  }
  return values.get(to)!;
}

/** Calls whose values are computed again in the backward pass; returns the last value. */
function runSegment(
  calls: readonly LayerCall[],
  { first, end }: RecomputeSegment,
  values: ReadonlyMap<number, Tensor>,
  context: CallContext,
): Tensor {
  const inside = calls.slice(first, end);
  const inputNumbers = [...new Set(inside.flatMap(({ inputs }) => inputs))].filter((number) => number <= first);
  const weightNumbers = [
    ...new Set(inside.flatMap(({ firstWeight, weightCount }) => indices(weightCount).map((i) => firstWeight + i))),
  ];
  const inputs = inputNumbers.map((number) => values.get(number)!);
  return recompute([...inputs, ...weightNumbers.map((number) => context.weights[number]!)], (tensors) => {
    const weights = [...context.weights];
    for (const [i, number] of weightNumbers.entries()) weights[number] = tensors[inputs.length + i]!;
    const given = new Map(inputNumbers.map((number, i) => [number, tensors[i]!]));
    return compose(tensors[0]!.device, () =>
      runCalls(calls, given, { ...context, weights }, { from: first, to: end, segments: [] }),
    );
  });
}

const indices = (count: number) => Array.from({ length: count }, (_, i) => i);

function runCall(
  { layer, title, isLogits, activation, shape }: LayerCall,
  given: Tensor[],
  context: CallContext,
): Tensor {
  const value = prefixErrors(title, () =>
    isLogits ? layer.callLogits(given[0]!, context) : layer.callMany(given, context),
  );
  checkResult(title, value, [given[0]!, ...context.weights], shape);
  return activation ? activate(activation, value) : value;
}

/**
 * Runs a layer. If no backward pass follows, its intermediate arrays are released at once, so the memory of a frozen part does not grow
 * with its length.
 */
function releaseIntermediates(inputs: readonly Tensor[], run: () => Tensor): Tensor {
  const { device } = inputs[0]!;
  if (isTaped(inputs)) return run();
  // If the layer used a tensor of its own that requires a gradient, all arrays stay until the backward pass.
  return withScope(device, run, (y) => (y.requiresGrad ? (device.scopes.at(-1) as Set<DeviceArray>) : [y.array]));
}

/** For each call up to value `to`: it and the following layers, each of which is the only reader of the one before. */
function fusibleChains(calls: readonly LayerCall[], to: number): Layer[][] {
  const readers = Array<number>(calls.length + 1).fill(0);
  for (const { inputs } of calls) for (const value of inputs) readers[value]!++;
  const chains: Layer[][] = [];
  for (let i = to - 1; i >= 0; i--) {
    const { layer, isLogits, activation } = calls[i]!;
    const next = calls[i + 1];
    const continues = i + 1 < to && next?.inputs.length === 1 && next.inputs[0] === i + 1 && readers[i + 1] === 1;
    // The caller of a model applies the softmax or sigmoid at its end.
    if (isLogits || activation !== null) chains[i] = [];
    else chains[i] = [layer, ...(continues ? chains[i + 1]!.slice(0, MAX_FUSED_LAYERS - 1) : [])];
  }
  return chains;
}

/** Runs a layer's call and puts the layer's title before the message of an error that an operator throws. */
function prefixErrors<T>(title: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof ShapeError) throw new ShapeError(`${title}: ${error.message}`, { cause: error });
    // Subclasses have different exit codes.
    if (!(error instanceof ArgumentError) || error.code !== 'ARGUMENT') throw error;
    throw new ArgumentError(`${title}: ${error.message}`, { cause: error });
  }
}

/** @throws ArgumentError or ShapeError unless the layer returned what it planned; otherwise the next layer would be blamed */
function checkResult(title: string, value: Tensor, from: readonly Tensor[], shape: Shape): void {
  const x = from[0]!;
  const subject = `${title}: call must return`;
  if (!(value instanceof Tensor)) throw new ArgumentError(`${subject} a tensor, but returned ${formatValue(value)}`);
  if (value.array.disposed) {
    throw new ArgumentError(
      `${subject} a tensor that can still be used, but the one of ${showShape(value.shape)} was disposed`,
    );
  }
  if (value.dtype !== 'f32') throw new ArgumentError(`${subject} numbers of type f32, but returned ${value.dtype}`);
  if (value.device !== x.device) throw new ArgumentError(`${subject} a tensor on the model's device`);
  if (!from.some(({ replicas }) => replicas === value.replicas)) {
    throw new ShapeError(`${subject} values of ${x.replicas} replicas, but returned values of ${value.replicas}`);
  }
  const planned = [x.shape[0]!, ...shape];
  if (!sameShape(value.shape, planned)) {
    throw new ShapeError(
      `${subject} ${showShape(planned)}, since its plan returned outputShape ${showShape(shape)}, but returned ${showShape(value.shape)}; ` +
        'correct its plan or its call',
    );
  }
}

/**
 * Releases values that no later layer reads and no backward pass needs. Inference, and training above a frozen part, therefore need
 * memory for the widest point of a model, not for the sum of its layers.
 */
class ValueLifetimes {
  /** Remaining uses of each value. */
  private readonly remainingUses = new Map<number, number>();
  /** Remaining uses of each tensor, which several values may share, and whether a tape may still read it. */
  private readonly tensors = new Map<Tensor, { left: number; isTaped: boolean }>();

  /** @param given values that exist before the first of `calls`, which is number `from`; their owner releases them */
  constructor(
    calls: readonly LayerCall[],
    from: number,
    private readonly given: ReadonlyMap<number, Tensor>,
  ) {
    const count = (value: number) => this.remainingUses.set(value, (this.remainingUses.get(value) ?? 0) + 1);
    for (const { inputs } of calls) for (const value of inputs) count(value);
    count(from + calls.length); // keeps the output
    for (const [value, tensor] of given) this.addUses(tensor, value);
  }

  private addUses(tensor: Tensor, value: number): void {
    const use = this.tensors.get(tensor) ?? { left: 0, isTaped: false };
    this.tensors.set(tensor, { ...use, left: use.left + (this.remainingUses.get(value) ?? 0) });
  }

  private isGiven(tensor: Tensor): boolean {
    for (const one of this.given.values()) if (one === tensor) return true;
    return false;
  }

  /** Called after value `newest` was computed from `inputs`. */
  release(values: ReadonlyMap<number, Tensor>, newest: number, inputs: readonly number[]): void {
    const newValue = values.get(newest)!;
    this.addUses(newValue, newest);
    for (const value of inputs) {
      const tensor = values.get(value)!;
      const use = this.tensors.get(tensor)!;
      use.left--;
      if (newValue.requiresGrad) use.isTaped = true;
      if (use.left === 0 && !use.isTaped && !this.isGiven(tensor)) tensor.dispose();
    }
  }
}
