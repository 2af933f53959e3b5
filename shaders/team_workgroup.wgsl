// Put before kernels in which a team of invocations reduces a row together: here a whole workgroup, which passes values through
// workgroup memory.
const TEAM = 256u;
const THREADS = TEAM;

var<workgroup> values: array<f32, TEAM>;

fn team_of(group: u32, local: u32) -> u32 {
  return group;
}

// The value that the member `distance` away holds (a power of two below TEAM); all members ask at once.
fn partner(local: u32, value: f32, distance: u32) -> f32 {
  values[local] = value;
  workgroupBarrier();
  let other = values[local ^ distance];
  workgroupBarrier();
  return other;
}
