import { ShaderError } from '../errors.ts';
import type { Counters } from './info.ts';

/** What makes a compute pipeline: WGSL text and the values of its `override` constants. The entry point is `main`. */
export interface KernelSource {
  /** The shader file's name without `.wgsl`, for messages and benchmarks. */
  name: string;
  code: string;
  constants?: Record<string, number>;
}

/** A compiled kernel, ready to dispatch. */
export interface Pipeline {
  name: string;
  source: KernelSource;
  gpu: GPUComputePipeline;
  layout: GPUBindGroupLayout;
}

/** A compiled text, and its pipelines by their constants. */
interface Compiled {
  module: GPUShaderModule;
  pipelines: Map<string, Pipeline>;
}

/** Pipelines that a device remembers: far more than a training step has. Each takes about 250 KB on lavapipe. */
const MOST_PIPELINES = 1024;

/**
 * Compiles each kernel once a device; of too many the oldest are forgotten, which programs may hold still. Compile errors arrive
 * later, through `onError`, because WebGPU reports them so.
 */
export class PipelineCache {
  /** How each is forgotten, oldest first. */
  private readonly forget: (() => void)[] = [];
  /** By text. */
  private readonly modules = new Map<string, Compiled>();

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    private readonly onError: (error: Promise<ShaderError | null>) => void,
    private readonly most = MOST_PIPELINES,
  ) {}

  get(source: KernelSource): Pipeline {
    const constants = source.constants ?? {};
    const key = JSON.stringify(constants);
    let text = this.modules.get(source.code);
    const known = text?.pipelines.get(key);
    if (known) return known;
    this.gpu.pushErrorScope('validation');
    if (!text) {
      const module = this.gpu.createShaderModule({ label: source.name, code: source.code });
      text = { module, pipelines: new Map() };
      this.modules.set(source.code, text);
    }
    const { module } = text;
    const gpu = this.gpu.createComputePipeline({
      label: source.name,
      layout: 'auto',
      compute: { module, entryPoint: 'main', constants },
    });
    const pipeline = { name: source.name, source, gpu, layout: gpu.getBindGroupLayout(0) };
    this.onError(this.describeError(source, module, this.gpu.popErrorScope()));
    this.remember(source.code, text, key, pipeline);
    this.counters.pipelinesCreated++;
    return pipeline;
  }

  private remember(code: string, text: Compiled, key: string, pipeline: Pipeline): void {
    text.pipelines.set(key, pipeline);
    this.forget.push(() => {
      text.pipelines.delete(key);
      if (text.pipelines.size === 0) this.modules.delete(code);
    });
    if (this.forget.length > this.most) this.forget.shift()!();
  }

  private async describeError(source: KernelSource, module: GPUShaderModule, scope: Promise<GPUError | null>) {
    const error = await scope;
    if (!error) return null;
    const { messages } = await module.getCompilationInfo();
    return new ShaderError(shaderMessage(source, messages, error.message));
  }
}

/** `shader conv2d.wgsl:12:7: unresolved value 'x'`, the line itself and a caret under the place. */
function shaderMessage(source: KernelSource, messages: readonly GPUCompilationMessage[], fallback: string): string {
  const lines = source.code.split('\n');
  const errors = messages.filter((m) => m.type === 'error');
  const constants = source.constants ? ` with ${JSON.stringify(source.constants)}` : '';
  if (errors.length === 0) return `shader ${source.name}.wgsl${constants}: ${fallback}`;
  return errors
    .map(({ lineNum, linePos, message }) => {
      const number = String(lineNum).padStart(5);
      const caret = `${' '.repeat(number.length + 3 + Math.max(0, linePos - 1))}^`;
      return `shader ${source.name}.wgsl:${lineNum}:${linePos}: ${message}\n${number} | ${lines[lineNum - 1] ?? ''}\n${caret}`;
    })
    .join('\n');
}
