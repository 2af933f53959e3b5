// Softmax, or with LOG its logarithm, a row a team (see team_workgroup.wgsl and team_subgroup.wgsl), for rows with many classes:
//   y[c] = exp(x[c] - max) / sum over c of the same      LOG: y[c] = x[c] - max - log(sum over c of exp(x[c] - max))
// Of classes that are the maximum one is left out of the logarithm's sum (see log_softmax.wgsl).
// Members take every TEAM-th class, so neighbours load neighbours in memory; sums in a fixed tree. Memory-bound.
//   models folded into outer: all [outer, C, inner], read as rows = outer * inner of C values
override LOG = false;

struct Params { rows: u32, classes: u32, inner: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let row = team_of(group.y * groups.x + group.x, local);
  let member = local % TEAM;
  let live = row < p.rows; // teams past the end work along on row 0, for the others to meet, and store nothing
  let o = row / p.inner;
  let first = select(0u, o * p.classes * p.inner + (row - o * p.inner), live);
  var top = x[first + min(member, p.classes - 1u) * p.inner];
  for (var c = member + TEAM; c < p.classes; c += TEAM) { top = max(top, x[first + c * p.inner]); }
  for (var distance = TEAM / 2u; distance > 0u; distance /= 2u) { top = max(top, partner(local, top, distance)); }
  var exponentials = Sum(); // with LOG of the classes below the maximum, without it of all
  var ties = 0.0;
  for (var c = member; c < p.classes; c += TEAM) {
    let d = x[first + c * p.inner] - top;
    let tie = LOG && is_zero(d);
    ties += select(0.0, 1.0, tie);
    add_term(&exponentials, select(exp(d), 0.0, tie));
  }
  var sum = total_of(exponentials);
  for (var distance = TEAM / 2u; distance > 0u; distance /= 2u) {
    sum += partner(local, sum, distance);
    if (LOG) { ties += partner(local, ties, distance); }
  }
  if (!live) { return; }
  var shift = 0.0;
  if (LOG) { shift = log_of_sum(u32(ties), sum); }
  for (var c = member; c < p.classes; c += TEAM) {
    let at = first + c * p.inner;
    let value = x[at] - top;
    if (LOG) { y[at] = value - shift; } else { y[at] = exp(value) / sum; }
  }
}
