import { formatValue } from '../../base/check.ts';
import { DataError } from '../../base/errors.ts';

/** A JSON object. */
export type Json = Record<string, unknown>;

/** Sizes of one sample; null for a size that the file leaves open. */
export type OpenShape = readonly (number | null)[];

/** A layer of a model, as Keras's files describe it. */
export interface KerasLayer {
  className: string;
  /** Unique in its model. */
  name: string;
  /** Keras's options by Keras's names, all of them. */
  config: Json;
}

/** A model, as any version of Keras describes it. It has one input and one output. */
export interface KerasModel extends KerasLayer {
  className: 'Sequential' | 'Functional';
  /** Shape of one sample, without the batch; null if the file does not state it. */
  inputShape: OpenShape | null;
  layers: readonly (KerasLayer | KerasModel)[];
  /** Calls of the layers. Values are numbered: 0 is the model's input, i + 1 the output of call i. The last is the model's output. */
  calls: readonly KerasCall[];
}

export interface KerasCall {
  /** Index of the layer in `layers`. */
  layer: number;
  inputs: readonly number[];
  /** Arguments other than the inputs, such as `training`. */
  arguments: Json;
}

export const isModel = (layer: KerasLayer | KerasModel): layer is KerasModel => 'calls' in layer;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Limit of the layers of a model, nested ones included; tilegrad's own files have the same limit. */
const MAX_LAYERS = 100_000;

/**
 * Reads the model of a `config.json` or `model_config`.
 * @param file name of the file, for messages
 * @throws DataError if it does not describe a model, or one with several inputs or outputs
 */
export function readModelConfig(description: unknown, file: string): KerasModel {
  const layer = new Reader(file).layer(description, 'the model');
  if (isModel(layer)) return layer;
  throw new DataError(
    `${file}: a Sequential or a Functional model can be read, but this is a ${formatValue(layer.className)}; build it from such models in Keras and save that model`,
  );
}

/** `["dense", 0, 0]`: a layer, which of its calls, and which of that call's outputs. */
type Reference = [layer: string, call: number, output: number];

class Reader {
  private layers = 0;

  constructor(private readonly file: string) {}

  private refuse(problem: string): never {
    throw new DataError(`${this.file}: ${problem}; save the model again with Keras`);
  }

  layer(description: unknown, subject: string): KerasLayer | KerasModel {
    if (++this.layers > MAX_LAYERS) this.refuse(`the model has more than ${MAX_LAYERS} layers`);
    if (!isObject(description) || typeof description.class_name !== 'string') {
      this.refuse(`${subject} needs class_name and config, but is ${formatValue(description)}`);
    }
    const { class_name: className, config } = description;
    // Keras 2.2.2 and older describe a Sequential by its layers only.
    if (className === 'Sequential' && Array.isArray(config)) return this.sequential('sequential', { layers: config });
    if (!isObject(config))
      this.refuse(`${subject}, a ${formatValue(className)}, needs a config, but has ${formatValue(config)}`);
    const name = config.name ?? description.name ?? (className === 'Sequential' ? 'sequential' : 'model');
    if (typeof name !== 'string' || name === '')
      this.refuse(`the name of ${subject} must be text, but is ${formatValue(name)}`);
    if (className === 'Sequential') return this.sequential(name, config);
    // `Model` until TensorFlow 2.3.
    if ((className === 'Functional' || className === 'Model') && Array.isArray(config.layers))
      return this.functional(name, config);
    return { className, name, config };
  }

  private list(name: string, config: Json): unknown[] {
    if (Array.isArray(config.layers)) return config.layers;
    this.refuse(`model ${formatValue(name)} needs a list of layers, but has ${formatValue(config.layers)}`);
  }

  private sequential(name: string, config: Json): KerasModel {
    const layers = this.list(name, config).map((layer, i) => this.layer(layer, `layer ${i} of ${formatValue(name)}`));
    const first = layers[0];
    const inputShape =
      openShape(first && !isModel(first) ? batchShape(first.config) : undefined) ?? openShape(config.build_input_shape);
    const others = layers.filter(({ className }) => className !== 'InputLayer');
    const calls = others.map((_, i) => ({ layer: i, inputs: [i], arguments: {} }));
    return {
      className: 'Sequential',
      name,
      config,
      inputShape: inputShape ?? (first && isModel(first) ? first.inputShape : null),
      layers: others,
      calls,
    };
  }

  private functional(name: string, config: Json): KerasModel {
    const subject = `model ${formatValue(name)}`;
    const descriptions = this.list(name, config);
    const layers = descriptions.map((layer, i) => this.layer(layer, `layer ${i} of ${formatValue(name)}`));
    const [input] = this.readSingleEnd(subject, 'input', config.input_layers);
    const output = this.readSingleEnd(subject, 'output', config.output_layers);
    const source = layers.find((layer) => layer.name === input);
    if (source?.className !== 'InputLayer')
      this.refuse(`the input of ${subject} must be an InputLayer, but ${formatValue(input)} is not one`);
    const nodes = new Map<string, { layer: KerasLayer; nodes: unknown[] }>();
    for (const [i, layer] of layers.entries()) {
      const inbound = (descriptions[i] as Json).inbound_nodes;
      if (nodes.has(layer.name)) this.refuse(`${subject} has two layers called ${formatValue(layer.name)}`);
      nodes.set(layer.name, { layer, nodes: Array.isArray(inbound) ? inbound : [] });
    }
    const graph = new Graph(subject, input, nodes, output, (why) => this.refuse(why));
    graph.listCalls();
    return {
      className: 'Functional',
      name,
      config,
      inputShape: openShape(batchShape(source.config)),
      layers: graph.layers,
      calls: graph.calls,
    };
  }

  /** Returns the only input or output. @throws DataError if there are several */
  private readSingleEnd(subject: string, end: 'input' | 'output', value: unknown): Reference {
    const references = referencesOf(value);
    if (references.length === 1 && references[0]![2] === 0) return references[0]!;
    if (references.length < 2) this.refuse(`${subject} needs an ${end}, but has ${formatValue(value)}`);
    throw new DataError(
      `${this.file}: ${subject} has ${references.length} ${end}s (${references.map(([layer]) => layer).join(', ')}), but a model here has one input and one output; ` +
        'make a model with one of each in Keras, and save that',
    );
  }
}

/** Lists the calls and layers that a model's output depends on, in the order of computation. */
class Graph {
  readonly layers: KerasLayer[] = [];
  readonly calls: KerasCall[] = [];
  /** Values by layer and call. */
  private readonly values = new Map<string, number>();
  private readonly numbers = new Map<KerasLayer, number>();
  private readonly firstCalls: Map<string, number>;

  constructor(
    private readonly subject: string,
    private readonly input: string,
    private readonly nodes: ReadonlyMap<string, { layer: KerasLayer; nodes: unknown[] }>,
    private readonly output: Reference,
    private readonly refuse: (why: string) => never,
  ) {
    this.firstCalls = this.findFirstCalls();
  }

  /**
   * Returns the number of each layer's first call. It is often 1 for a nested model, because number 0 is the call that created it. Every
   * listed call is used, so the highest number that is used is that of the last call.
   */
  private findFirstCalls(): Map<string, number> {
    const highest = new Map<string, number>([[this.output[0], this.output[1]]]);
    for (const { nodes } of this.nodes.values()) {
      for (const node of nodes) {
        for (const [name, call] of callOf(node).inputs) highest.set(name, Math.max(highest.get(name) ?? 0, call));
      }
    }
    return new Map(
      [...highest].map(([name, call]) => [name, Math.max(0, call - (this.nodes.get(name)?.nodes.length ?? 1) + 1)]),
    );
  }

  private find([name, call, output]: Reference): { key: string; layer: KerasLayer; node: unknown } {
    const { subject } = this;
    const found = this.nodes.get(name);
    if (!found)
      this.refuse(`${subject}: there is no layer ${formatValue(name)}, but another layer has it as its input`);
    if (output !== 0)
      this.refuse(
        `${subject}: output ${formatValue(output)} of ${formatValue(name)} is used, but layers here have one output`,
      );
    const first = isModel(found.layer) ? (this.firstCalls.get(name) ?? 0) : 0;
    const index = call - first;
    const node = found.nodes[index];
    if (node === undefined && name !== this.input)
      this.refuse(`${subject}: there is no call ${formatValue(call)} of ${formatValue(name)}`);
    return { key: `${index} ${name}`, layer: found.layer, node };
  }

  /** Lists the calls that the output depends on, its own call last. Not recursive, because models may be deep. */
  listCalls(): void {
    const stack: { reference: Reference; isExpanded: boolean }[] = [{ reference: this.output, isExpanded: false }];
    const expanded = new Set<string>();
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const { key, layer, node } = this.find(top.reference);
      if (layer.name === this.input || this.values.has(key)) {
        stack.pop();
        continue;
      }
      const { inputs, surplus, arguments: others } = callOf(node);
      if (inputs.length === 0)
        this.refuse(`${this.subject}: ${formatValue(layer.name)} (${layer.className}) has no input`);
      if (surplus !== undefined)
        this.refuse(
          `${this.subject}: ${formatValue(layer.name)} is called with ${formatValue(surplus)}, which is not an output of a layer`,
        );
      if (top.isExpanded) {
        const values = inputs.map((input) => (input[0] === this.input ? 0 : this.values.get(this.find(input).key)!));
        this.calls.push({ layer: this.numberOf(layer), inputs: values, arguments: others });
        this.values.set(key, this.calls.length);
        stack.pop();
        continue;
      }
      if (expanded.has(key)) this.refuse(`${this.subject}: ${formatValue(layer.name)} has itself as its input`);
      expanded.add(key);
      top.isExpanded = true;
      for (const input of inputs.toReversed()) stack.push({ reference: input, isExpanded: false });
    }
  }

  private numberOf(layer: KerasLayer): number {
    const number = this.numbers.get(layer) ?? this.layers.push(layer) - 1;
    this.numbers.set(layer, number);
    return number;
  }
}

const isReference = (value: unknown): value is Reference =>
  Array.isArray(value) && typeof value[0] === 'string' && Number.isInteger(value[1]) && Number.isInteger(value[2]);

/** References in a list, a list of lists, or a dictionary of them. */
function referencesOf(value: unknown): Reference[] {
  if (isReference(value)) return [value];
  if (Array.isArray(value)) return value.flatMap(referencesOf);
  return isObject(value) ? Object.values(value).flatMap(referencesOf) : [];
}

/**
 * Reads a call of a layer. Keras 2: `[["a", 0, 0, {}], ["b", 0, 0, {}]]`; Keras 3: `{ args: [...], kwargs: {} }`, in which tensors are
 * objects of the class `__keras_tensor__`. `surplus` is a positional argument that is not a tensor.
 */
function callOf(node: unknown): { inputs: Reference[]; surplus?: unknown; arguments: Json } {
  if (isObject(node)) {
    const tensors = tensorsOf(node.args);
    const other = tensors.find((tensor) => !isReference(tensor));
    const inputs = tensors.filter(isReference);
    return {
      inputs,
      arguments: isObject(node.kwargs) ? node.kwargs : {},
      ...(other === undefined ? {} : { surplus: other }),
    };
  }
  const inputs = referencesOf(node);
  return { inputs, arguments: Object.assign({}, ...inputs.map((input) => (input as unknown[])[3]).filter(isObject)) };
}

function tensorsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(tensorsOf);
  if (value === null || value === undefined) return [];
  const history =
    isObject(value) && value.class_name === '__keras_tensor__' && isObject(value.config)
      ? value.config.keras_history
      : undefined;
  return [history ?? value];
}

/** Keras 2 and 3 use different names. */
const batchShape = (config: Json): unknown => config.batch_shape ?? config.batch_input_shape;

/** Returns the shape of one sample; null if `shape` is not a shape. */
function openShape(shape: unknown): OpenShape | null {
  if (!Array.isArray(shape) || shape.length === 0) return null;
  const sizes = shape.slice(1);
  return sizes.every((size) => size === null || (Number.isSafeInteger(size) && size > 0)) ? sizes : null;
}
