// Put before kernels in which a team of invocations reduces a row together: here eight neighbouring lanes of a subgroup, which
// pass values through registers, without barriers. Eight, whatever the subgroup's size, so that the order of additions is the
// same on every adapter.
enable subgroups;

const TEAM = 8u;
const THREADS = 64u;

fn team_of(group: u32, local: u32) -> u32 {
  return group * (THREADS / TEAM) + local / TEAM;
}

// The value that the member `distance` away holds (a power of two below TEAM); all members ask at once.
fn partner(local: u32, value: f32, distance: u32) -> f32 {
  return subgroupShuffleXor(value, distance);
}
