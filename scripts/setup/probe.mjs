// Runs one small WGSL kernel and prints the result as JSON. In a separate process, because a broken driver can crash or hang,
// and because Dawn keeps its process alive and prints to stderr.
import { writeSync } from 'node:fs';

const COUNT = 256;
const KERNEL = `
@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&output)) {
    output[id.x] = input[id.x] * input[id.x] + 7u;
  }
}`;

/** Writes synchronously, unlike process.stdout on Windows, and ends the process, which Dawn would keep alive. */
function finish(result) {
  writeSync(1, JSON.stringify(result));
  process.exit(0);
}

function fail(stage, error) {
  finish({ ok: false, stage, error: error instanceof Error ? error.message : String(error) });
}

const { create, globals } = await import('webgpu').catch((error) => fail('load', error));
Object.assign(globalThis, globals);

const gpu = create([]);
const adapter = await gpu.requestAdapter().catch((error) => fail('adapter', error));
if (!adapter) fail('adapter', 'requestAdapter() returned null');

try {
  const device = await adapter.requestDevice();
  const lost = device.lost.then((info) => {
    throw new Error(`the device was lost: ${info.message}`);
  });
  const output = await Promise.race([runKernel(device), lost]);
  const wrong = output.findIndex((value, i) => value !== i * i + 7);
  if (wrong >= 0)
    throw new Error(`the kernel returned ${output[wrong]} at index ${wrong} instead of ${wrong * wrong + 7}`);
  const { description, vendor, architecture, device: model } = adapter.info;
  finish({ ok: true, adapter: description || [vendor, architecture, model].filter(Boolean).join(' ') || 'unnamed' });
} catch (error) {
  fail('kernel', error);
}

/** Returns i * i + 7 for every i below COUNT, computed by the adapter. */
async function runKernel(device) {
  device.pushErrorScope('validation');
  const size = COUNT * 4;
  const input = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST });
  const output = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const readback = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(
    input,
    0,
    Uint32Array.from({ length: COUNT }, (_, i) => i),
  );

  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code: KERNEL }) },
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [input, output].map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  );
  pass.dispatchWorkgroups(COUNT / 64);
  pass.end();
  encoder.copyBufferToBuffer(output, 0, readback, 0, size);
  device.queue.submit([encoder.finish()]);

  const error = await device.popErrorScope();
  if (error) throw new Error(error.message);
  await readback.mapAsync(GPUMapMode.READ);
  return new Uint32Array(readback.getMappedRange());
}
