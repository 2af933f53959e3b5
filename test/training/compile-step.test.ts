import { expect, test } from 'vitest';
import type { Tensor } from '../../src/node.ts';
import * as tg from '../../src/node.ts';
import { ArgumentError, DisposedError, GpuError } from '../../src/node.ts';
import { describeOnDevice } from '../support/device.ts';

describeOnDevice('compileStep', (device) => {
  const leaf = (data: number[], shape = [data.length]) => tg.tensor(device, data, shape, { requiresGrad: true });
  const values = async (t: Tensor) => [...(await t.data())];

  /** Least squares of one weight [2], compiled. */
  function regression() {
    const w = leaf([1, -1], [2, 1]);
    const optimizer = new tg.SGD({ parameters: [w], learningRate: 0.25 });
    let recorded = 0;
    const step = tg.compileStep(device, (x, y) => {
      recorded++;
      const loss = tg.mean(tg.square(tg.sub(tg.matmul(x, w), y)));
      loss.backward();
      optimizer.step();
      optimizer.clearGrad();
      return loss;
    });
    return { w, optimizer, step, recorded: () => recorded };
  }

  test('records once for each shape and type, and computes with the given values', async () => {
    const { w, step, recorded } = regression();
    const x = [[1, 2], [3, 4]]; // biome-ignore format: as rows
    // x w = [-1, -1], the errors are [-2, -4], the loss (4 + 16) / 2; dw = x^T [-2, -4] = [-14, -20]
    expect(await step(x, [[1], [3]]).item()).toBe(10);
    expect(await values(w)).toEqual([1 + 14 / 4, -1 + 20 / 4]);
    w.assign([1, -1]);
    expect(await step(tg.tensor(device, [1, 2, 3, 4], [2, 2]), { shape: [2, 1], data: [-1, -1] }).item()).toBe(0);
    expect(recorded()).toBe(1);
    expect(await step([[1, 2]], [[0]]).item()).toBe(1);
    expect(recorded()).toBe(2);
    await step(x, [[0], [0]]).item();
    expect(recorded()).toBe(2);
  });

  test('the rate, a schedule and the step number are those of each run', async () => {
    const w = leaf([8]);
    const optimizer = new tg.SGD({ parameters: [w], learningRate: (step) => 2 ** -step });
    const step = tg.compileStep(device, () => {
      tg.sum(w).backward();
      optimizer.step();
      optimizer.clearGrad();
    });
    for (let i = 0; i < 3; i++) step();
    expect(await values(w)).toEqual([8 - 1 - 0.5 - 0.25]);
    expect(optimizer.iterations).toBe(3);
    optimizer.learningRate = 2;
    step();
    expect(await values(w)).toEqual([4.25]);
  });

  test('results are not on the tape, may be in lists and objects, and are overwritten by each call', async () => {
    const w = leaf([2]);
    const step = tg.compileStep(device, (x) => ({ y: tg.mul(x, w), all: [tg.square(x), w, 7] as const }));
    const { y, all } = step([3, 4]);
    expect(await values(y)).toEqual([6, 8]);
    expect(await values(all[0])).toEqual([9, 16]);
    expect(all[1]).toBe(w);
    expect(all[2]).toBe(7);
    expect(y.requiresGrad).toBe(false);
    expect(step([1, 2]).y).toBe(y);
    expect(await values(y)).toEqual([2, 4]);
    step.dispose();
    await expect(y.data()).rejects.toThrow(DisposedError);
    expect(() => step([1, 2])).toThrow(/^compileStep: the step was called after its dispose/);
    expect(await values(w)).toEqual([2]);
  });

  test('inputs: u32 and i32 arrays keep their type, a number is a scalar', async () => {
    const types: string[] = [];
    using step = tg.compileStep(device, (...inputs) => {
      types.push(inputs.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(' '));
      return tg.mul(inputs[0]!, inputs[3]!);
    });
    expect(await values(step([1, 2], Uint32Array.of(3), Int32Array.of(-4), 5))).toEqual([5, 10]);
    expect(await values(step([1, 2], Uint32Array.of(3), Int32Array.of(-4), 6))).toEqual([6, 12]);
    expect(types).toEqual(['f32[2] u32[1] i32[1] f32[]']);
  });

  test('keeps at most 8 recordings, and their memory', () => {
    let recorded = 0;
    using step = tg.compileStep(device, (x) => {
      recorded++;
      return tg.neg(x);
    });
    for (let n = 1; n <= 9; n++) step(new Float32Array(n));
    step(new Float32Array(9));
    step(new Float32Array(2));
    expect(recorded).toBe(9);
    step(new Float32Array(1));
    expect(recorded).toBe(10);
  });

  test('records again after layers were frozen or unfrozen', async () => {
    const model = new tg.Sequential([
      new tg.Dense({ units: 2, inputShape: [2], useBias: false }),
      new tg.Dense({ units: 1, useBias: false }),
    ]).build(device);
    const optimizer = new tg.Adam({ parameters: model.parameters, clipNorm: 1 });
    const step = tg.compileStep(device, (x) => {
      tg.mean(tg.square(model.call(x))).backward();
      optimizer.step();
      optimizer.clearGrad();
    });
    const kernels = async () => (await model.getWeights()).map(({ data }) => [...data]);
    step([[1, 2]]);
    const [first] = await kernels();
    model.layers[0]!.trainable = false;
    step([[1, 2]]);
    const [second, head] = await kernels();
    expect(second).toEqual(first);
    model.layers[0]!.trainable = true;
    step([[1, 2]]);
    const [third, newHead] = await kernels();
    expect(third).not.toEqual(first);
    expect(newHead).not.toEqual(head);
  });

  test('assign is part of the recording', async () => {
    const [total, count] = [tg.tensor(device, [0], [1]), tg.tensor(device, [0], [1], { dtype: 'u32' })];
    using step = tg.compileStep(device, (x) => {
      total.assign(tg.add(total, x));
      count.assign(tg.cast(tg.equal(count, 0), 'u32'));
    });
    for (const x of [1, 2, 3]) step([x]);
    expect(await values(total)).toEqual([6]);
    expect(await values(count)).toEqual([1]); // 0, 1, 0, 1
  });

  const invalidSteps: Record<
    string,
    [step: (w: Tensor, x: Tensor) => unknown, kind: new (message: string) => Error, message: RegExp]
  > = {
    'reading values': [
      (w) => void tg.sum(w).item(),
      GpuError,
      /^data: no values can be read within a compiled step.*return the tensor/,
    ],
    'reading a text': [(w) => void tg.sum(w).text(), GpuError, /^data: no values can be read within a compiled step/],
    'an async function': [async (w) => tg.sum(w), ArgumentError, /^compileStep: takes a function that is not async/],
    'data of the host': [() => tg.tensor(device, [1], [1]), GpuError, /make the tensor before the step/],
    'gradients that stay': [
      (w) => tg.sum(w).backward(),
      ArgumentError,
      /^compileStep: the gradient of a tensor of shape \[2\] stays after the step.*clearGrad/,
    ],
    'an error of the step': [
      () => {
        throw new RangeError('mine');
      },
      RangeError,
      /^mine$/,
    ],
    'another compiled step': [
      (w) => tg.compileStep(device, () => tg.sum(w))(),
      GpuError,
      /cannot be called while another one is recorded/,
    ],
  };
  test.each(Object.entries(invalidSteps))('throws for %s, and changes nothing', async (_, [step, kind, message]) => {
    const w = leaf([1, 2]);
    const call = tg.compileStep(device, (x) => step(w, x));
    const before = device.counters.bytesAllocated - device.freeBytes;
    let error: Error | null = null;
    try {
      call([1, 2]);
    } catch (caught) {
      error = caught as Error;
    }
    expect(error).toBeInstanceOf(kind);
    expect(error!.message).toMatch(message);
    expect(device.counters.bytesAllocated - device.freeBytes).toBe(before);
    expect(w.grad).toBeNull();
    expect(await tg.sum(w).item()).toBe(3);
  });

  test('throws for an earlier gradient, two calls of step(), and invalid inputs', async () => {
    const w = leaf([1, 2]);
    const optimizer = new tg.SGD({ parameters: [w] });
    const twice = tg.compileStep(device, () => {
      tg.sum(w).backward();
      optimizer.step();
      optimizer.step();
    });
    expect(() => twice()).toThrow(/^compileStep: step\(\) was called twice for one optimizer/);
    optimizer.clearGrad();
    tg.sum(w).backward();
    const adding = tg.compileStep(device, () => {
      tg.sum(w).backward();
      optimizer.step();
      optimizer.clearGrad();
    });
    expect(() => adding()).toThrow(/^compileStep: the gradient of a tensor of shape \[2\] was there before the step/);
    const step = tg.compileStep(device, (x) => tg.neg(x));
    expect(() => step(w)).toThrow(
      /^compileStep: input 0, a tensor of shape \[2\], requires a gradient, but inputs are copied/,
    );
    expect(() => step('no' as never)).toThrow(/^compileStep: input 0 must be an array of numbers/);
    expect(() => step([[1], [2, 3]])).toThrow(tg.ShapeError);
    const disposed = tg.tensor(device, [1], [1]);
    disposed.dispose();
    expect(() => step(disposed)).toThrow(DisposedError);
    using other = await tg.openDevice();
    expect(() => step(tg.tensor(other, [1], [1]))).toThrow(/on another device/);
    expect(() => tg.compileStep(device, null as never)).toThrow(ArgumentError);
    expect(() => tg.compileStep(null as never, () => 1)).toThrow(/^compileStep: the device comes first/);
  });

  test('throws if parameters were disposed', () => {
    const { w, step } = regression();
    step([[1, 2]], [[1]]);
    w.dispose();
    expect(() => step([[1, 2]], [[1]])).toThrow(DisposedError);
  });
});
