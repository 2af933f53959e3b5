import type { Command } from './command.ts';
import type { Counters } from './info.ts';
import type { Memory } from './memory.ts';

/** Bytes of a buffer that uniforms share. D3D12 gives each buffer that much, however small it is. */
const BLOCK_BYTES = 2 ** 16;
/** Bytes that the places of bindings are multiples of, by WebGPU's default limits. */
const ALIGNMENT = 256;
/** Buffers to fill before one is used again: 4,096 uniforms, far more than a training step has. */
const MAX_BLOCKS = 16;
/** Calls of `get` after which a uniform was surely dispatched: a dispatch binds a few, and one for each of its parts where it is cut. */
const DISPATCHED_AFTER = 2048;

/** A buffer of uniforms, one after another. */
interface Block {
  buffer: GPUBuffer;
  /** Bytes taken. */
  used: number;
  /** Contents of its uniforms. */
  keys: string[];
  /** Programs that have any of its uniforms bound. */
  programs: number;
  /** The call of `get` that returned one of its uniforms last. */
  lastCall: number;
}

/** What waits to be submitted, or is being recorded. */
interface Commands {
  readonly recording: boolean;
  flush(): void;
}

/**
 * Small contents that kernels read, out of a few buffers. Each is written once: equal contents share a place. When all blocks are full,
 * the one that was not asked for the longest time is filled anew, after what waits to be submitted; those that a program has
 * bound are left alone until it is disposed, however many they are.
 */
export class Uniforms {
  private readonly known = new Map<string, { binding: GPUBufferBinding; block: Block }>();
  private readonly blocks = new Map<GPUBuffer, Block>();
  private current: Block | null = null;
  private calls = 0;

  constructor(
    private readonly queue: GPUQueue,
    private readonly memory: Memory,
    private readonly counters: Counters,
    private readonly commands: Commands,
  ) {}

  /**
   * Where these words lie, for a dispatch that follows at once.
   * @throws OutOfMemoryError
   */
  get(words: Uint32Array): GPUBufferBinding {
    const key = words.join();
    const found = this.known.get(key);
    this.calls++;
    if (found) {
      found.block.lastCall = this.calls;
      return found.binding;
    }
    const padded = new Uint32Array(Math.max(4, 4 * Math.ceil(words.length / 4)));
    padded.set(words);
    const size = padded.byteLength;
    const block = this.blockFor(Math.ceil(size / ALIGNMENT) * ALIGNMENT);
    const binding = { buffer: block.buffer, offset: block.used, size };
    this.queue.writeBuffer(block.buffer, block.used, padded);
    this.counters.bytesUploaded += words.byteLength;
    block.used += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    block.lastCall = this.calls;
    block.keys.push(key);
    this.known.set(key, { binding, block });
    return binding;
  }

  /**
   * Keeps what a program's commands have bound.
   * @returns what to call when the program is disposed and none of its commands waits to be submitted
   */
  hold(commands: readonly Command[]): () => void {
    const bound = commands.flatMap(({ bindings }) => bindings);
    const found = bound.map((binding) => ('buffer' in binding ? this.blocks.get(binding.buffer) : undefined));
    const held = new Set(found.filter((block) => block !== undefined));
    for (const block of held) block.programs++;
    return () => {
      for (const block of held) block.programs--;
      held.clear();
      if (this.commands.recording) return; // what is being recorded is held by nobody yet
      for (let block = this.reusableBlock(); block && this.blocks.size > MAX_BLOCKS; block = this.reusableBlock())
        this.destroy(block);
    };
  }

  /** A block with so many bytes left. */
  private blockFor(bytes: number): Block {
    const { current, commands } = this;
    if (current && current.used + bytes <= current.buffer.size) return current;
    // What is being recorded is held when it is a program.
    const old = this.blocks.size >= MAX_BLOCKS && !commands.recording ? this.reusableBlock() : null;
    if (old) commands.flush();
    if (old && old.buffer.size === BLOCK_BYTES && bytes <= BLOCK_BYTES) {
      this.empty(old);
      this.current = old;
      return old;
    }
    if (old) this.destroy(old);
    const size = Math.max(BLOCK_BYTES, bytes);
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const buffer = this.memory.create({ label: 'uniforms', size, usage }, () => this.forget(block));
    const block: Block = { buffer, used: 0, keys: [], programs: 0, lastCall: this.calls };
    this.blocks.set(buffer, block);
    this.current = block;
    return block;
  }

  /** The block that was not asked for the longest time, of those that nothing can be about to use. */
  private reusableBlock(): Block | null {
    const free = [...this.blocks.values()].filter(
      (block) => block.programs === 0 && block.lastCall <= this.calls - DISPATCHED_AFTER,
    );
    return free.reduce<Block | null>((first, one) => (first && first.lastCall <= one.lastCall ? first : one), null);
  }

  private empty(block: Block): void {
    for (const key of block.keys) this.known.delete(key);
    block.keys = [];
    block.used = 0;
  }

  private forget(block: Block): void {
    this.empty(block);
    this.blocks.delete(block.buffer);
    if (this.current === block) this.current = null;
  }

  private destroy(block: Block): void {
    this.forget(block);
    this.memory.destroy(block.buffer);
  }
}
