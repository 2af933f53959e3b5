// Tests how an adapter numbers the lanes of its subgroups, and whether they can exchange values: see src/gpu/probe.ts.
//   out [SIZE] u32: for each invocation its lane, times 2^24, and the local indices that it gets from the lanes whose numbers differ
//   from its own in bit 2 (times 2^16), bit 1 (times 2^8) and bit 0: what cooperative_subgroup.wgsl exchanges.
// Grid: one workgroup of SIZE invocations, at most 128.
enable subgroups;

override SIZE = 64u;

@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(SIZE)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let one = subgroupShuffleXor(local, 1u);
  let two = subgroupShuffleXor(local, 2u);
  let four = subgroupShuffleXor(local, 4u);
  out[local] = (lane << 24u) | ((four & 255u) << 16u) | ((two & 255u) << 8u) | (one & 255u);
}
