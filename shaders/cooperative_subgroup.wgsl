// Put before kernels in which a cooperative group of invocations reduces a row: here eight neighboring lanes of a subgroup, which
// exchange values through registers, without barriers. Always eight, for any subgroup size, so that the order of additions is the
// same on every adapter.
enable subgroups;

const GROUP_SIZE = 8u;
const WORKGROUP_SIZE = 64u;

// Index of the invocation's group.
fn group_index(group: u32, local: u32) -> u32 {
  return group * (WORKGROUP_SIZE / GROUP_SIZE) + local / GROUP_SIZE;
}

// The value of the invocation whose rank in the group is this rank XOR `distance`, a power of two below GROUP_SIZE. All invocations of
// the group must call it together.
fn exchange_xor(local: u32, value: f32, distance: u32) -> f32 {
  return subgroupShuffleXor(value, distance);
}
