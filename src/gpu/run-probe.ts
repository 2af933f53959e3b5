import {
  type Answer,
  lanesQuestions,
  noLanes,
  numbersQuestion,
  type Probe,
  type Question,
  readLanes,
  readNumbers,
} from './probe.ts';

/**
 * Asks a device how it calculates, and how it numbers lanes if it has subgroups of eight or more. Never throws: what could not be found
 * out is `unknown`, and the notes say why.
 * @param lanes of the widest subgroup; null where there are none of eight lanes
 */
export async function probeDevice(gpu: GPUDevice, lanes: number | null): Promise<Probe> {
  const questions = [numbersQuestion, ...(lanes === null ? [] : lanesQuestions(lanes))];
  const [numbers, ...order] = await Promise.all(questions.map((question) => answerOf(gpu, question)));
  const [subgroups, found] = [lanes === null ? noLanes : readLanes(order), readNumbers(numbers!)];
  return { ...subgroups, ...found, notes: [...subgroups.notes, ...found.notes] };
}

async function answerOf(gpu: GPUDevice, question: Question): Promise<Answer> {
  const buffers: GPUBuffer[] = [];
  try {
    const pipeline = await compiled(gpu, question);
    return await run(gpu, question, pipeline, buffers);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    for (const buffer of buffers) buffer.destroy();
  }
}

/** Asynchronously, because several compile at once then, and because what is refused is told by a rejection, not by the device. */
async function compiled(gpu: GPUDevice, { name, code, constants }: Question): Promise<GPUComputePipeline> {
  gpu.pushErrorScope('validation');
  const module = gpu.createShaderModule({ label: name, code });
  const refused = gpu.popErrorScope();
  const pipeline = gpu.createComputePipelineAsync({
    label: name,
    layout: 'auto',
    compute: { module, entryPoint: 'main', constants },
  });
  const [error] = await Promise.allSettled([refused, pipeline]);
  if (error.status === 'fulfilled' && error.value) throw new Error(`${name}.wgsl: ${error.value.message.trim()}`);
  return pipeline;
}

/** One submit; the buffers that it makes are put into `buffers`. */
async function run(
  gpu: GPUDevice,
  question: Question,
  pipeline: GPUComputePipeline,
  buffers: GPUBuffer[],
): Promise<Uint32Array> {
  gpu.pushErrorScope('validation');
  let refused: Promise<GPUError | null>;
  let staging: GPUBuffer;
  try {
    staging = submit(gpu, question, pipeline, buffers);
  } finally {
    refused = gpu.popErrorScope();
  }
  const [error, mapped] = await Promise.allSettled([refused, staging.mapAsync(GPUMapMode.READ)]);
  if (error.status === 'fulfilled' && error.value) throw new Error(`${question.name}: ${error.value.message.trim()}`);
  if (mapped.status === 'rejected') throw mapped.reason;
  return new Uint32Array(staging.getMappedRange().slice(0));
}

/** Returns the buffer that the answers come in. */
function submit(
  gpu: GPUDevice,
  { name, input, words }: Question,
  pipeline: GPUComputePipeline,
  buffers: GPUBuffer[],
): GPUBuffer {
  const make = (size: number, usage: number, mappedAtCreation = false) => {
    const buffer = gpu.createBuffer({ label: name, size, usage, mappedAtCreation });
    buffers.push(buffer);
    return buffer;
  };
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
