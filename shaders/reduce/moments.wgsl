// Adds a batch to the values that R2 needs for each output column: the targets' count n, mean m and squared deviations M = sum (t - m)^2, and
// the squared errors S = sum (t - y)^2. Sums of t and t^2 would cancel; so a batch's M is summed
// around its mean, and two sets are joined as by Chan, Golub and LeVeque (1979), with d = mb - ma:
//     n = na + nb    m = ma + d nb / n    M = Ma + Mb + d^2 na nb / n    S = Sa + Sb
// Means are relative to the first target of all, so that an offset of the targets costs no digits. Batches join level by level, 32 of a
// level being one of the next, so that no f32 takes more than 32 terms of a level; the host joins the levels in float64.
// A workgroup a column and replica: the order of all additions depends on the rows and the number of batches alone. Memory-bound.
//   output, goal [R, rows, columns], moments [R, columns]
alias Value = f32;
struct Params { rows: u32, columns: u32 }
struct Level { count: u32, mean: f32, deviations: f32, errors: f32 }
struct Moments { shift: f32, batches: u32, levels: array<Level, 5> }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> output: array<f32>;
@group(0) @binding(2) var<storage, read> goal: array<f32>;
@group(0) @binding(3) var<storage, read_write> moments: array<Moments>;

const SIZE = 64u;
var<workgroup> partial: array<f32, SIZE>;

// Sum of the values of all invocations.
fn group_sum(local: u32, value: f32) -> f32 {
  workgroupBarrier(); // the previous sum was read
  partial[local] = value;
  workgroupBarrier();
  for (var half = SIZE / 2u; half > 0u; half /= 2u) {
    if (local < half) { partial[local] += partial[local + half]; }
    workgroupBarrier();
  }
  return partial[0];
}

fn joined(a: Level, b: Level) -> Level {
  let count = a.count + b.count;
  let share = f32(b.count) / f32(count);
  let d = b.mean - a.mean;
  let deviations = a.deviations + b.deviations + d * d * share * f32(a.count);
  return Level(count, a.mean + d * share, deviations, a.errors + b.errors);
}

fn add_batch(at: u32, shift: f32, batch: Level) {
  let batches = moments[at].batches + 1u;
  moments[at].batches = batches;
  moments[at].shift = shift;
  moments[at].levels[0] = joined(moments[at].levels[0], batch);
  var every = 1u;
  for (var level = 0u; level < 4u; level++) {
    every *= 32u;
    if (batches % every != 0u) { break; }
    moments[at].levels[level + 1u] = joined(moments[at].levels[level + 1u], moments[at].levels[level]);
    moments[at].levels[level] = Level();
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let column = group.y * groups.x + group.x;
  if (column >= p.columns) { return; }
  let first = group.z * p.rows * p.columns + column;
  let at = group.z * p.columns + column;
  let shift = select(moments[at].shift, goal[first], moments[at].batches == 0u);
  var sum = Sum();
  var errors = Sum();
  for (var row = local; row < p.rows; row += SIZE) {
    let t = goal[first + row * p.columns];
    add_term(&sum, t - shift);
    let error = t - output[first + row * p.columns];
    add_term(&errors, error * error);
  }
  let mean = group_sum(local, total_of(sum)) / f32(p.rows);
  let all_errors = group_sum(local, total_of(errors));
  var deviations = Sum();
  for (var row = local; row < p.rows; row += SIZE) {
    let deviation = (goal[first + row * p.columns] - shift) - mean;
    add_term(&deviations, deviation * deviation);
  }
  let all_deviations = group_sum(local, total_of(deviations));
  if (local == 0u) { add_batch(at, shift, Level(p.rows, mean, all_deviations, all_errors)); }
}
