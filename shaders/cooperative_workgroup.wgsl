// Put before kernels in which a cooperative group of invocations reduces a row: here a whole workgroup, which exchanges values through
// workgroup memory.
const GROUP_SIZE = 256u;
const WORKGROUP_SIZE = GROUP_SIZE;

var<workgroup> values: array<f32, GROUP_SIZE>;

// Index of the invocation's group.
fn group_index(group: u32, local: u32) -> u32 {
  return group;
}

// The value of the invocation whose rank in the group is this rank XOR `distance`, a power of two below GROUP_SIZE. All invocations of
// the group must call it together.
fn exchange_xor(local: u32, value: f32, distance: u32) -> f32 {
  values[local] = value;
  workgroupBarrier();
  let other = values[local ^ distance];
  workgroupBarrier();
  return other;
}
