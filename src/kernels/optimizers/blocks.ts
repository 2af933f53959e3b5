/**
 * Elements in a block of a model's flat buffers. Each weight begins with a block of its own, so that a small table with an
 * entry a block tells kernels which weight an element belongs to; and WebGPU binds buffers at multiples of its 256 bytes.
 */
export const BLOCK = 64;
