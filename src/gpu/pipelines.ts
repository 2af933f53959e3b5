import { ShaderError } from '../base/errors.ts';
import { type Failures, textOf } from './failures.ts';
import type { Counters } from './info.ts';

/** Bindings of the storage arrays that a shader may write, according to its declarations. */
export function writtenBindings(wgsl: string): Set<number> {
  const code = wgsl.replace(/\/\/.*$/gm, '');
  return new Set([...code.matchAll(/@binding\((\d+)\)\s*var<storage,\s*read_write>/g)].map(([, n]) => Number(n)));
}

/** Source of a compute pipeline: WGSL text and values of its `override` constants. The entry point is `main`. */
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
  /** Bindings that it may write. */
  written: readonly number[];
  /** The error if the adapter refused the pipeline; dispatches with it did not run. Null if it was not refused so far. */
  refused: ShaderError | null;
}

/** A compiled module, and its pipelines by their constants. */
interface Compiled {
  module: GPUShaderModule;
  pipelines: Map<string, Pipeline>;
}

/** Most pipelines in the cache: far more than a training step has. Each takes about 250 KB on lavapipe. */
const MAX_PIPELINES = 1024;

/**
 * Compiles each kernel once per device. Above the limit the oldest are dropped from the cache; programs keep theirs. WebGPU reports
 * asynchronously whether the adapter refused a kernel.
 */
export class PipelineCache {
  /** Functions that drop one pipeline each, oldest first. */
  private readonly evictions: (() => void)[] = [];
  /** Modules by WGSL text. */
  private readonly modules = new Map<string, Compiled>();

  constructor(
    private readonly gpu: GPUDevice,
    private readonly counters: Counters,
    private readonly failures: Pick<Failures, 'answers' | 'refuse'>,
    private readonly maxPipelines = MAX_PIPELINES,
  ) {}

  /** @throws ShaderError if the adapter refused the kernel before */
  get(source: KernelSource): Pipeline {
    const constants = source.constants ?? {};
    const key = JSON.stringify(constants);
    let text = this.modules.get(source.code);
    const known = text?.pipelines.get(key);
    if (known?.refused) throw known.refused;
    if (known) return known;
    // Invalid WGSL is a validation error; a refusal by the driver's compiler is an internal error.
    this.gpu.pushErrorScope('internal');
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
    // Inside the scopes, because the layout of an invalid pipeline is an error, and its message does not name the cause.
    const layout = gpu.getBindGroupLayout(0);
    const written = [...writtenBindings(source.code)];
    const pipeline: Pipeline = { name: source.name, source, gpu, layout, written, refused: null };
    const answers = [this.gpu.popErrorScope(), this.gpu.popErrorScope()];
    this.failures.answers.watch(this.checkAnswers(pipeline, module, answers));
    this.remember(source.code, text, key, pipeline);
    this.counters.pipelinesCreated++;
    return pipeline;
  }

  private remember(code: string, text: Compiled, key: string, pipeline: Pipeline): void {
    text.pipelines.set(key, pipeline);
    this.evictions.push(() => {
      text.pipelines.delete(key);
      if (text.pipelines.size === 0) this.modules.delete(code);
    });
    if (this.evictions.length > this.maxPipelines) this.evictions.shift()!();
  }

  private async checkAnswers(
    pipeline: Pipeline,
    module: GPUShaderModule,
    answers: Promise<GPUError | null>[],
  ): Promise<void> {
    const [validation, internal] = await Promise.all(answers);
    const error = internal ?? validation; // the internal error is the cause; the validation error is about the layout
    if (!error) return;
    const messages = await messagesOf(module);
    pipeline.refused = new ShaderError(shaderMessage(pipeline.source, messages, textOf(error)));
    this.failures.refuse(pipeline.refused);
  }
}

/** Compiler messages; an empty list if they are unavailable, so that the refusal itself is still reported. */
async function messagesOf(module: GPUShaderModule): Promise<readonly GPUCompilationMessage[]> {
  try {
    return (await module.getCompilationInfo()).messages;
  } catch {
    return [];
  }
}

/** `shader conv2d.wgsl:12:7: unresolved value 'x'`, then the line with a caret under the column. */
function shaderMessage(source: KernelSource, messages: readonly GPUCompilationMessage[], fallback: string): string {
  const lines = source.code.split('\n');
  const errors = messages.filter((m) => m.type === 'error');
  const constants = source.constants ? ` with ${JSON.stringify(source.constants)}` : '';
  if (errors.length === 0) return `shader ${source.name}.wgsl${constants}: ${fallback}`;
  return errors
    .map(({ lineNum, linePos, message }) => {
      const [says, ...rest] = message.trim().split('\n'); // naga's messages begin with an empty line and show the source line themselves
      const number = String(lineNum).padStart(5);
      const caret = `${' '.repeat(number.length + 3 + Math.max(0, linePos - 1))}^`;
      return `shader ${source.name}.wgsl:${lineNum}:${linePos}: ${says}\n${number} | ${lines[lineNum - 1] ?? ''}\n${[caret, ...rest].join('\n')}`;
    })
    .join('\n');
}
