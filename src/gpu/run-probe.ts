import {
  type Answer,
  lanesQuestions,
  numbersQuestion,
  type Probe,
  type Question,
  readLanes,
  readNumbers,
  unusedSubgroups,
} from './probe.ts';

/**
 * Checks how a device calculates, and how it numbers lanes if it has subgroups of eight or more. Never throws: a check that fails to run
 * is `unknown`, and the notes say why.
 * @param lanes lanes of the widest subgroup; null if there are no subgroups of eight lanes
 */
export async function probeDevice(gpu: GPUDevice, lanes: number | null): Promise<Probe> {
  const questions = [numbersQuestion, ...(lanes === null ? [] : lanesQuestions(lanes))];
  const [numbers, ...order] = await Promise.all(questions.map((question) => answerOf(gpu, question)));
  const [subgroups, found] = [lanes === null ? unusedSubgroups : readLanes(order), readNumbers(numbers!)];
  return { ...subgroups, ...found, notes: [...subgroups.notes, ...found.notes] };
}

/** Runs a question in its own submit, so that a refusal does not affect the others. */
async function answerOf(gpu: GPUDevice, question: Question): Promise<Answer> {
  const buffers: GPUBuffer[] = [];
  try {
    return await answerIn(buffers, gpu, question);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}

/** Runs a question with a single wait, as a wait may take 100 ms in a browser. Adds its buffers to `buffers`. @throws the refusal */
async function answerIn(buffers: GPUBuffer[], gpu: GPUDevice, question: Question): Promise<Uint32Array> {
  const refusals: Promise<GPUError | null>[] = [];
  let answer: GPUBuffer;
  gpu.pushErrorScope('validation');
  gpu.pushErrorScope('internal'); // refusals by the driver's compiler; innermost, because validation errors are their consequences
  try {
    answer = submit(gpu, question, buffers);
  } finally {
    refusals.push(gpu.popErrorScope(), gpu.popErrorScope());
  }
  const [mapped, ...scopes] = await Promise.allSettled([answer.mapAsync(GPUMapMode.READ), ...refusals]);
  for (const scope of scopes) {
    if (scope.status === 'fulfilled' && scope.value) throw new Error(scope.value.message.trim());
  }
  if (mapped.status === 'rejected') throw mapped.reason;
  return new Uint32Array(answer.getMappedRange().slice(0));
}

/** Submits a question. @returns the buffer with the answer */
function submit(gpu: GPUDevice, question: Question, buffers: GPUBuffer[]): GPUBuffer {
  const { name, code, constants, input, words } = question;
  const make = (size: number, usage: number, mappedAtCreation = false) => {
    const buffer = gpu.createBuffer({ label: name, size, usage, mappedAtCreation });
    buffers.push(buffer);
    return buffer;
  };
  const module = gpu.createShaderModule({ label: name, code });
  const pipeline = gpu.createComputePipeline({
    label: name,
    layout: 'auto',
    compute: { module, entryPoint: 'main', constants },
  });
  const out = make(4 * words, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const staging = make(4 * words, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  const bound = [out];
  if (input) {
    const pairs = make(input.byteLength, GPUBufferUsage.STORAGE, true);
    new Uint32Array(pairs.getMappedRange()).set(input);
    pairs.unmap();
    bound.unshift(pairs);
  }
  const entries = bound.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const encoder = gpu.createCommandEncoder({ label: name });
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(out, 0, staging, 0, 4 * words);
  gpu.queue.submit([encoder.finish()]);
  return staging;
}
