import type { Origin } from './origin.ts';
import type { Pipeline } from './pipelines.ts';
import type { Storage } from './storage.ts';

/** What a kernel reads or writes: an array, a buffer, or the range of a uniform in a buffer. */
export type Binding = Storage | GPUBuffer | GPUBufferBinding;

export const bufferOf = (binding: Binding): GPUBuffer => ('buffer' in binding ? binding.buffer : binding);

/** Properties of a dispatch, given by its caller: for profiles, and to limit the work of a submit. */
export interface DispatchInfo {
  /** Floating-point operations, a multiply-add counting as two. */
  flops?: number;
  /** Bytes read and written, if they differ from the bound arrays: some rows of a table, or an update in place. */
  bytes?: number;
  /** Shapes of the bound arrays, in their order. */
  shapes?: readonly (readonly number[])[];
  /** Layer, pass and kernel selection that it belongs to. */
  origin?: Origin;
}

/** A recorded dispatch. */
export interface Command {
  pipeline: Pipeline;
  bindGroup: GPUBindGroup;
  workgroups: readonly [number, number, number];
  bindings: readonly Binding[];
  info: DispatchInfo | undefined;
  /** Estimated cost, see `costOf`. */
  cost: number;
}
