// Put before kernels in which a team of invocations reduces a row together: here eight neighbouring lanes of a subgroup, which
// pass values through registers, without barriers. Eight, whatever the subgroup's size, so that the order of additions is the
// same on every adapter.
enable subgroups;

const GROUP_SIZE = 8u;
const WORKGROUP_SIZE = 64u;

fn group_index(group: u32, local: u32) -> u32 {
  return group * (WORKGROUP_SIZE / GROUP_SIZE) + local / GROUP_SIZE;
}

// The value that the member `distance` away holds (a power of two below GROUP_SIZE); all members ask at once.
fn exchange_xor(local: u32, value: f32, distance: u32) -> f32 {
  return subgroupShuffleXor(value, distance);
}
