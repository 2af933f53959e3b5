import type { Binding } from './command.ts';
import type { Counters } from './info.ts';
import type { Pipeline } from './pipelines.ts';

/** Bytes of a binding: a multiple of 16, as kernels may read an array as vec4. The pool's buffers are multiples of 256 bytes. */
const bindingBytes = (bytes: number) => Math.max(16, Math.ceil(bytes / 16) * 16);

/**
 * Most bind groups in the cache. A plain step of a small model has about 50, one of MobileNetV2 about 1,500. On lavapipe each takes 6.5 KB
 * of the process's memory (measured with 65,000).
 */
const MAX_GROUPS = 4096;

const resourceOf = (binding: Binding): { buffer: GPUBuffer; offset: number; size: number | undefined } => {
  if ('bytes' in binding) return { buffer: binding.buffer, offset: binding.offset, size: bindingBytes(binding.bytes) };
  if ('buffer' in binding) return { buffer: binding.buffer, offset: binding.offset ?? 0, size: binding.size };
  return { buffer: binding, offset: 0, size: undefined };
};

/**
 * Cache of the bind groups of dispatches outside of recordings. Loops dispatch the same kernels on the same buffers, so each bind group is
 * created once. Without the cache, their number depends on the garbage collector, which does not know what they cost: on lavapipe each is a
 * memory mapping. Linux allows 65,530 of them per process, and the driver then ends the process (seen in Deno).
 */
export class BindGroups {
  /** Bind groups by pipeline and buffer ranges; least recently used first. */
  private readonly groups = new Map<string, GPUBindGroup>();
  private readonly ids = new WeakMap<object, number>();
  private lastId = 0;

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
  ) {}

  /** Creates a bind group that is not in the cache. */
  create({ name, layout }: Pipeline, bindings: readonly Binding[]): GPUBindGroup {
    const entries = bindings.map((one, binding) => ({ binding, resource: resourceOf(one) }));
    this.counters.bindGroupsCreated++;
    return this.gpu.createBindGroup({ label: name, layout, entries });
  }

  /** Returns a cached or new bind group. */
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

  /** Empties the cache. */
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
