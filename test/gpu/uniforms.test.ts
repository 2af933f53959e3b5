import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Answers } from '../../src/gpu/answers.ts';
import type { Command } from '../../src/gpu/command.ts';
import type { Counters } from '../../src/gpu/info.ts';
import { Memory } from '../../src/gpu/memory.ts';
import { Uniforms } from '../../src/gpu/uniforms.ts';
import {
  Adam,
  Conv2D,
  Dense,
  Flatten,
  ImageLoader,
  MaxPooling2D,
  Sequential,
  type Tensor,
  tensor,
} from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';
import { drawImages } from '../support/images.ts';

const KIB = 1024;

describe('uniforms', () => {
  beforeEach(() => vi.stubGlobal('GPUBufferUsage', { UNIFORM: 64, STORAGE: 128, COPY_DST: 8 }));
  afterEach(() => vi.unstubAllGlobals());

  /** Uniforms on a device that records the buffers created, written and submitted. */
  function createUniforms() {
    const made: number[] = [];
    const destroyed: number[] = [];
    /** By buffer: the words at each place. */
    const written = new Map<unknown, Map<number, number[]>>();
    const queue = {
      submit() {},
      onSubmittedWorkDone: () => Promise.resolve(),
      writeBuffer(buffer: unknown, offset: number, words: Uint32Array) {
        written.get(buffer)!.set(offset, [...words]);
      },
    };
    const gpu = {
      queue,
      pushErrorScope() {},
      popErrorScope: () => Promise.resolve(null),
      createBuffer({ size }: { size: number }) {
        made.push(size);
        const buffer = { size, destroy: () => void destroyed.push(size) };
        written.set(buffer, new Map());
        return buffer;
      },
    } as unknown as GPUDevice;
    const counters = { buffersCreated: 0, bytesUploaded: 0 } as Counters;
    const ignore = () => {};
    const memory = new Memory(
      gpu,
      counters,
      null,
      ignore,
      { answers: new Answers(), refuse: ignore },
      (promise) => promise,
    );
    const commands = {
      recording: false,
      flushes: 0,
      flush() {
        this.flushes++;
      },
    };
    const uniforms = new Uniforms(queue as unknown as GPUQueue, memory, counters, commands);
    const get = (...words: number[]) => uniforms.get(Uint32Array.from(words));
    const contents = ({ buffer, offset }: GPUBufferBinding) => written.get(buffer)!.get(offset!)!;
    /** Requests `count` new contents. */
    let next = 1e6;
    const fill = (count: number) => Array.from({ length: count }, () => get(next++));
    const program = (...bindings: GPUBufferBinding[]) => uniforms.hold([{ bindings } as unknown as Command]);
    return { uniforms, get, fill, contents, program, commands, made, destroyed, counters };
  }

  test('uniforms: equal contents share a range; others are at multiples of 256 in one buffer of 64 KiB', () => {
    const { get, fill, contents, made, counters } = createUniforms();
    const first = get(1, 2, 3);
    expect(get(1, 2, 3)).toBe(first);
    expect(counters.bytesUploaded).toBe(12);
    expect([first.offset, first.size]).toEqual([0, 16]);
    expect(contents(first)).toEqual([1, 2, 3, 0]);
    const long = get(...Array.from({ length: 65 }, (_, i) => i)); // 260 bytes
    const after = get(7);
    expect([long.offset, long.size, after.offset]).toEqual([256, 272, 768]);
    expect(new Set([first, long, after].map(({ buffer }) => buffer)).size).toBe(1);
    fill(252);
    expect(made).toEqual([64 * KIB]);
    fill(1);
    expect(made).toEqual([64 * KIB, 64 * KIB]);
    get(...new Array(20_000).fill(5));
    expect(made[2]).toBe(Math.ceil(80_000 / 256) * 256);
  });

  test('uniforms: at most sixteen buffers are created; one is overwritten after pending commands are submitted', () => {
    const { get, fill, contents, commands, made } = createUniforms();
    fill(4096);
    expect([made.length, commands.flushes]).toEqual([16, 0]);
    for (let i = 0; i < 10_000; i++) expect(contents(get(i))).toEqual([i, 0, 0, 0]);
    expect(made.length).toBe(16);
    expect(commands.flushes).toBe(Math.ceil(10_000 / 256));
    // Contents that were evicted are written again.
    expect(contents(get(5))).toEqual([5, 0, 0, 0]);
  });

  test('uniforms: those of a program are kept until it is disposed; excess buffers are then destroyed', () => {
    const { get, fill, contents, program, made, destroyed } = createUniforms();
    const kept = get(42);
    const release = program(kept);
    fill(20_000);
    expect(contents(kept)).toEqual([42, 0, 0, 0]);
    expect(get(42)).toBe(kept);
    expect(made.length).toBe(16);
    // Each in a separate buffer: more than sixteen while the programs exist.
    const others = Array.from({ length: 40 }, () => program(fill(256)[0]!));
    fill(4096);
    const maxBuffers = made.length;
    expect(maxBuffers).toBeLessThanOrEqual(41 + 10);
    fill(10_000);
    expect([made.length, destroyed.length]).toEqual([maxBuffers, 0]);
    for (const end of [release, ...others]) end();
    expect(destroyed.length).toBe(maxBuffers - 16);
    fill(10_000);
    expect(made.length).toBe(maxBuffers);
  });

  test('uniforms: recently requested ones are not overwritten, even if programs hold all other buffers', () => {
    const { get, fill, contents, program } = createUniforms();
    for (const binding of Array.from({ length: 15 }, () => fill(256)[0]!)) program(binding);
    const early = get(1); // in the only buffer that no program holds
    fill(255);
    expect(get(1)).toBe(early);
    fill(2000); // for example the parts of one dispatch
    expect(contents(early)).toEqual([1, 0, 0, 0]);
  });

  test('uniforms: disposing a program while another is recorded destroys no buffer of the recording', () => {
    const { get, fill, commands, program, made, destroyed } = createUniforms();
    const held = Array.from({ length: 16 }, () => program(fill(256)[0]!));
    commands.recording = true;
    const first = get(9);
    fill(3000); // of a long recording
    for (const release of held.slice(1)) release(); // as device.trim() does
    expect(destroyed.length).toBe(0);
    commands.recording = false;
    expect(get(9)).toBe(first);
    const recorded = program(first);
    fill(5000);
    held[0]!();
    expect(destroyed.length).toBe(made.length - 16);
    expect(get(9)).toBe(first);
    recorded();
  });

  test('uniforms: none are overwritten while a program is recorded', () => {
    const { get, fill, contents, commands, program, made } = createUniforms();
    fill(4096);
    commands.recording = true;
    const first = get(9);
    fill(6000);
    expect(contents(first)).toEqual([9, 0, 0, 0]);
    commands.recording = false;
    expect(made.length).toBe(16 + Math.ceil(6001 / 256));
    expect(commands.flushes).toBe(0);
    program(first);
    fill(20_000);
    expect(contents(first)).toEqual([9, 0, 0, 0]);
  });
});

describeOnDevice('uniforms of a device', (device) => {
  const code = `struct Params { at: u32, value: u32 }
    @group(0) @binding(0) var<uniform> params: Params;
    @group(0) @binding(1) var<storage, read_write> out: array<u32>;
    @compute @workgroup_size(1)
    fn main() { out[params.at] += params.value; }`;
  const store = (out: Tensor, index: number, value: number) =>
    device.dispatch(
      device.pipeline({ name: 'add_value', code }),
      [device.uniform(Uint32Array.of(index, value)), out.array.storage],
      [1, 1, 1],
    );

  test('dispatches and programs read their own uniforms, also after the blocks were overwritten', async () => {
    const count = 9000;
    using out = tensor(device, new Uint32Array(count + 1), [count + 1], { dtype: 'u32' });
    const program = device.record(() => store(out, count, 77_777));
    for (let i = 0; i < count; i++) store(out, i, i + 3);
    program.run();
    expect([...(await out.data())]).toEqual([...Array.from({ length: count }, (_, i) => i + 3), 77_777]);
    program.dispose();
  });

  test('uniforms: a training of LeNet needs one buffer', async () => {
    using loader = new ImageLoader(device, drawImages(24, { shape: [28, 28, 1], classes: 10 }));
    const create = vi.spyOn(device.gpu, 'createBuffer');
    try {
      const activation = 'relu' as const;
      const model = new Sequential([
        new Conv2D({ filters: 6, kernelSize: 5, padding: 'same', activation, inputShape: [28, 28, 1] }),
        new MaxPooling2D(),
        new Conv2D({ filters: 16, kernelSize: 5, activation }),
        new MaxPooling2D(),
        new Flatten(),
        new Dense({ units: 120, activation }),
        new Dense({ units: 84, activation }),
        new Dense({ units: 10, activation: 'softmax' }),
      ]);
      model.build(device).compile({ optimizer: new Adam(), loss: 'sparseCategoricalCrossentropy' });
      await model.fit(loader, { epochs: 2, batchSize: 8 });
      model.dispose();
      const descriptors = create.mock.calls.map(([descriptor]) => descriptor);
      expect(descriptors.length).toBeGreaterThan(5);
      const uniforms = descriptors.filter(
        ({ usage, label }) => usage & GPUBufferUsage.UNIFORM && label !== 'step state',
      );
      expect(uniforms.length).toBeLessThanOrEqual(1);
    } finally {
      create.mockRestore();
    }
  });
});
