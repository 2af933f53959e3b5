import type { Binding } from './command.ts';
import type { Counters } from './info.ts';
import type { Pipeline } from './pipelines.ts';

/** Kernels may see an array as vec4: a binding is whole ones, which the pool's buffers, multiples of 256 bytes, have room for. */
const bindingBytes = (bytes: number) => Math.max(16, Math.ceil(bytes / 16) * 16);

/**
 * Bind groups that are kept. A plain step of a small model has some 50, one of MobileNetV2 about 1,500; on lavapipe each takes 6.5 KB of the process's
 * memory, measured with 65,000 of them.
 */
const MAX_GROUPS = 4096;

const resourceOf = (binding: Binding): { buffer: GPUBuffer; offset: number; size: number | undefined } => {
  if ('bytes' in binding) return { buffer: binding.buffer, offset: binding.offset, size: bindingBytes(binding.bytes) };
  if ('buffer' in binding) return { buffer: binding.buffer, offset: binding.offset ?? 0, size: binding.size };
  return { buffer: binding, offset: 0, size: undefined };
};

/**
 * Bind groups of dispatches outside of recordings. Loops dispatch the same kernels on the same buffers of the pool again and again, so each is made
 * once. Without that, the runtime's garbage collector decides how many there are, and it does not know what they hold: on lavapipe each is a
 * memory mapping, of which Linux grants a process 65,530, and the driver ends the process beyond (seen in Deno).
 */
export class BindGroups {
  /** By pipeline and ranges of buffers, those not used for the longest time first. */
  private readonly groups = new Map<string, GPUBindGroup>();
  private readonly ids = new WeakMap<object, number>();
  private lastId = 0;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
  ) {}

  /** A bind group that nobody else has. */
  create({ name, layout }: Pipeline, bindings: readonly Binding[]): GPUBindGroup {
    const entries = bindings.map((one, binding) => ({ binding, resource: resourceOf(one) }));
    this.counters.bindGroupsCreated++;
    return this.gpu.createBindGroup({ label: name, layout, entries });
  }

  /** One that may have served before. */
  get(pipeline: Pipeline, bindings: readonly Binding[]): GPUBindGroup {
    let key = `${this.id(pipeline)}`;
    for (const binding of bindings) {
      const { buffer, offset, size } = resourceOf(binding);
      key += ` ${this.id(buffer)},${offset},${size}`;
    }
    const group = this.groups.get(key) ?? this.create(pipeline, bindings);
    this.groups.delete(key);
    this.groups.set(key, group);
    if (this.groups.size > MAX_GROUPS) this.groups.delete(this.groups.keys().next().value!);
    return group;
  }

  /** Keeps none any longer. */
  clear(): void {
    this.groups.clear();
  }

  private id(object: object): number {
    const known = this.ids.get(object);
    if (known !== undefined) return known;
    this.ids.set(object, ++this.lastId);
    return this.lastId;
  }
}
