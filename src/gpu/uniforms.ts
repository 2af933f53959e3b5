import type { Command } from './command.ts';
import type { Counters } from './info.ts';
import type { Memory } from './memory.ts';

/** Bytes of a buffer that uniforms share. D3D12 allocates at least this much for any buffer. */
const BLOCK_BYTES = 2 ** 16;
/** Alignment of binding offsets in bytes, by WebGPU's default limits. */
const ALIGNMENT = 256;
/** Buffers to fill before one is reused: 4,096 uniforms, far more than a training step has. */
const MAX_BLOCKS = 16;
/** Calls of `get` after which a uniform was certainly dispatched: a dispatch binds a few, plus one for each part if it is split. */
const DISPATCHED_AFTER = 2048;

/** A buffer with consecutive uniforms. */
interface Block {
  buffer: GPUBuffer;
  /** Bytes in use. */
  used: number;
  /** Contents of its uniforms. */
  keys: string[];
  /** Number of programs that have its uniforms bound. */
  programs: number;
  /** The call of `get` that returned one of its uniforms last. */
  lastCall: number;
}

/** Pending commands. */
interface Commands {
  readonly recording: boolean;
  flush(): void;
}

/**
 * Uniforms in a few shared buffers (blocks). Equal contents are written once and share a range. When all blocks are full, pending
 * commands are submitted, and the block that was not requested for the longest time is overwritten. Blocks that a program has
 * bound are never overwritten before the program is disposed.
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
   * Returns the binding of these words, for a dispatch that follows at once.
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
   * Keeps the uniforms that a program's commands have bound.
   * @returns a function to call when the program is disposed and its commands are submitted
   */
  hold(commands: readonly Command[]): () => void {
    const bound = commands.flatMap(({ bindings }) => bindings);
    const found = bound.map((binding) => ('buffer' in binding ? this.blocks.get(binding.buffer) : undefined));
    const held = new Set(found.filter((block) => block !== undefined));
    for (const block of held) block.programs++;
    return () => {
      for (const block of held) block.programs--;
      held.clear();
      if (this.commands.recording) return; // the uniforms of the current recording are not held yet
      for (let block = this.reusableBlock(); block && this.blocks.size > MAX_BLOCKS; block = this.reusableBlock())
        this.destroy(block);
    };
  }

  /** A block with at least `bytes` bytes left. */
  private blockFor(bytes: number): Block {
    const { current, commands } = this;
    if (current && current.used + bytes <= current.buffer.size) return current;
    // No reuse during recording: its uniforms are held only when it becomes a program.
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

  /** The least recently requested block that no program and no coming dispatch uses; null if there is none. */
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
