import type { Origin } from './origin.ts';
import type { Pipeline } from './pipelines.ts';
import type { Storage } from './storage.ts';

/** What a kernel reads or writes: an array, a buffer, or a uniform's place in one. */
export type Binding = Storage | GPUBuffer | GPUBufferBinding;

export const bufferOf = (binding: Binding): GPUBuffer => ('buffer' in binding ? binding.buffer : binding);

/** What the caller of a dispatch says of it: for profiles, and for how much goes into a submit. */
export interface DispatchInfo {
  /** Floating-point operations, a multiply-add counting as two. */
  flops?: number;
  /** Bytes read and written, where that is not what the bound arrays hold: some rows of a table, or an update in place. */
  bytes?: number;
  /** Shapes of the bound arrays, in their order. */
  shapes?: readonly (readonly number[])[];
  /** Where it comes from. */
  origin?: Origin;
}

/** A dispatch as a program keeps it. */
export interface Command {
  pipeline: Pipeline;
  bindGroup: GPUBindGroup;
  workgroups: readonly [number, number, number];
  bindings: readonly Binding[];
  info: DispatchInfo | undefined;
  /** See `costOf`. */
  cost: number;
}
