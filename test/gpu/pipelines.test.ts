import { expect, test } from 'vitest';
import { Answers } from '../../src/gpu/answers.ts';
import type { Counters } from '../../src/gpu/info.ts';
import { PipelineCache } from '../../src/gpu/pipelines.ts';

test('PipelineCache: evicts the oldest pipelines above the limit, and modules without pipelines', async () => {
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
  expect(get('x', 1)).not.toBe(first); // the other pipeline of x would have been evicted next
  expect([counters.pipelinesCreated, modules]).toEqual([5, ['x', 'y']]);
  get('y', 3);
  get('y', 4);
  get('y', 5);
  get('x', 1);
  expect([counters.pipelinesCreated, modules]).toEqual([9, ['x', 'y', 'x']]);
});

/** The message of the error for a refused kernel with these compiler messages. */
async function refusal(says: string, getCompilationInfo: () => Promise<unknown>): Promise<string> {
  const refused: Error[] = [];
  const answers = new Answers();
  const gpu = {
    pushErrorScope() {},
    popErrorScope: () => Promise.resolve({ message: says }),
    createShaderModule: () => ({ getCompilationInfo }),
    createComputePipeline: () => ({ getBindGroupLayout: () => null }),
  };
  const failures = { answers, refuse: (error: Error) => void refused.push(error) };
  const cache = new PipelineCache(gpu as unknown as GPUDevice, { pipelinesCreated: 0 } as Counters, failures);
  const source = { name: 'broken', code: 'fn main() {\n  let x = y;\n}' };
  const pipeline = cache.get(source);
  await new Promise<void>((resolve) => answers.after(resolve));
  expect(refused).toEqual([pipeline.refused]);
  expect(() => cache.get(source)).toThrow(refused[0]!);
  return refused[0]!.message;
}

// naga's, which is Firefox's and Deno's.
test('ShaderError: a compiler message that begins with an empty line is formatted like others', async () => {
  const what = "Shader 'broken' parsing error: no definition in scope for identifier: `y`";
  const says = `\n${what}\n  ┌─ wgsl:2:11\n\n`;
  const messages = [{ type: 'error', lineNum: 2, linePos: 11, message: says }];
  const lines = (await refusal(says, async () => ({ messages }))).split('\n');
  const place = ['    2 |   let x = y;', '                  ^'];
  expect(lines).toEqual([`shader broken.wgsl:2:11: ${what}`, ...place, '  ┌─ wgsl:2:11']);
});

test.each([
  ['nothing', async () => ({ messages: [] })],
  ['an error', () => Promise.reject(new Error('lost'))],
  ['an exception', () => ([] as unknown[])[0] as Promise<unknown>],
])('the message has the error of the pipeline if the compiler returns %s', async (_what, getCompilationInfo) => {
  expect(await refusal('\nno memory\n', getCompilationInfo)).toBe('shader broken.wgsl: no memory');
});
