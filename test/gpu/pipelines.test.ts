import { expect, test } from 'vitest';
import { Answers } from '../../src/gpu/answers.ts';
import type { Counters } from '../../src/gpu/info.ts';
import { PipelineCache } from '../../src/gpu/pipelines.ts';

test('of too many pipelines the oldest are forgotten, and texts without any', async () => {
  const modules: string[] = [];
  const gpu = {
    pushErrorScope() {},
    popErrorScope: () => Promise.resolve(null),
    createShaderModule: ({ code }: { code: string }) => modules.push(code),
    createComputePipeline: () => ({ getBindGroupLayout: () => null }),
  };
  const counters = { pipelinesCreated: 0 } as Counters;
  const cache = new PipelineCache(gpu as unknown as GPUDevice, counters, { answers: new Answers(), refuse() {} }, 3);
  const get = (code: string, a: number) => cache.get({ name: code, code, constants: { a } });
  const first = get('x', 1);
  get('x', 2);
  get('y', 1);
  expect(get('x', 1)).toBe(first);
  expect([counters.pipelinesCreated, modules]).toEqual([3, ['x', 'y']]);
  get('y', 2);
  expect(get('x', 1)).not.toBe(first); // and the other one of x was the next to go
  expect([counters.pipelinesCreated, modules]).toEqual([5, ['x', 'y']]);
  get('y', 3);
  get('y', 4);
  get('y', 5);
  get('x', 1);
  expect([counters.pipelinesCreated, modules]).toEqual([9, ['x', 'y', 'x']]);
});
