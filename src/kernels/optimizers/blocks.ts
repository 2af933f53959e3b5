/**
 * Elements in a block of a model's flat buffers. Each weight begins with a new block, so a table with one entry per block gives kernels
 * the weight of an element. A block is 256 bytes, and WebGPU binds buffers at multiples of that.
 */
export const BLOCK = 64;
