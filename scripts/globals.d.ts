/**
 * Types of the platform in tilegrad's declarations: those of the program (TypeScript's `dom`, `@webgpu/types`, `@types/node` or Deno) if it
 * has them, else the minimum that tilegrad needs. So a program compiles without any of them. `scripts/types.mjs` adds the imports.
 */
type Global<Name extends string, Else> =
  typeof globalThis extends Record<Name, { prototype: infer Type }> ? Type : Else;

/** A WebGPU object in a program without WebGPU's types. */
interface Opaque {
  readonly label: string;
}

export type AbortSignal = Global<'AbortSignal', { readonly aborted: boolean; readonly reason: unknown }>;
export type ImageBitmap = Global<'ImageBitmap', { readonly width: number; readonly height: number; close(): void }>;
export type ImageData = Global<
  'ImageData',
  { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray }
>;

export type GPU = Global<'GPU', { requestAdapter(options?: object): Promise<object | null> }>;
export type GPUAdapter = Global<'GPUAdapter', { requestDevice(descriptor?: object): Promise<object> }>;
export type GPUBindGroup = Global<'GPUBindGroup', Opaque>;
export type GPUBindGroupLayout = Global<'GPUBindGroupLayout', Opaque>;
export type GPUBuffer = Global<'GPUBuffer', Opaque>;
export type GPUComputePipeline = Global<'GPUComputePipeline', Opaque>;
export type GPUDevice = Global<'GPUDevice', Opaque>;
export type GPUError = Global<'GPUError', { readonly message: string }>;
export type GPUQuerySet = Global<'GPUQuerySet', Opaque>;
export type GPUQueue = Global<'GPUQueue', { submit: unknown; onSubmittedWorkDone(): Promise<undefined> }>;
export type GPUSupportedLimits = Global<'GPUSupportedLimits', { readonly [name: string]: number }>;

// Dictionaries and numbers of WebGPU, which have no global value.
export type GPUPowerPreference = 'low-power' | 'high-performance';
export type GPUBufferUsageFlags = number;
export interface GPUBufferDescriptor {
  label?: string;
  size: number;
  usage: GPUBufferUsageFlags;
  mappedAtCreation?: boolean;
}
export interface GPUBufferBinding {
  buffer: GPUBuffer;
  offset?: number;
  size?: number;
}
