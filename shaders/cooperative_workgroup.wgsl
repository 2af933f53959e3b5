// Put before kernels in which a team of invocations reduces a row together: here a whole workgroup, which passes values through
// workgroup memory.
const GROUP_SIZE = 256u;
const WORKGROUP_SIZE = GROUP_SIZE;

var<workgroup> values: array<f32, GROUP_SIZE>;

fn group_index(group: u32, local: u32) -> u32 {
  return group;
}

// The value that the member `distance` away holds (a power of two below GROUP_SIZE); all members ask at once.
fn exchange_xor(local: u32, value: f32, distance: u32) -> f32 {
  values[local] = value;
  workgroupBarrier();
  let other = values[local ^ distance];
  workgroupBarrier();
  return other;
}
