// Sums, or with EXTREME largest (factor 1) or smallest (factor -1) values, over the middle axis by cooperative groups (see
// cooperative_workgroup.wgsl and cooperative_subgroup.wgsl): y[o, s, c] = factor * sum of x[o, row, c] over the rows of slice s (s*slice_length .. (s+1)*slice_length - 1);
// NaN is the extreme of its row. A group reduces `width` neighboring columns (a power of two up to its size), GROUP_SIZE / width invocations
// each, whose results are combined in a fixed tree. Neighbors load neighbors in memory, and even one long row keeps a GPU busy.
// Memory-bound.
//   replicas folded into outer: x [outer, rows, C], y [outer, slices, C]
override EXTREME = false;

struct Params { outer: u32, rows: u32, channels: u32, slice_length: u32, slices: u32, factor: f32, width: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn combine(a: f32, b: f32) -> f32 {
  if (!EXTREME) { return a + b; }
  return select(a, b, !is_nan(a) && (b > a || is_nan(b)));
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let index = group_index(group.y * groups.x + group.x, local);
  let rank = local % GROUP_SIZE;
  let blocks = (p.channels + p.width - 1u) / p.width;
  let sliced = index / blocks;
  let o = sliced / p.slices;
  let first = (sliced - o * p.slices) * p.slice_length;
  let c = (index - sliced * blocks) * p.width + rank % p.width;
  // Invocations without a column take part in the exchanges, but add up and store nothing.
  let live = o < p.outer && c < p.channels;
  let base = select(0u, o * p.rows * p.channels + c, live);
  let last = select(0u, min(first + p.slice_length, p.rows), live);
  let step = GROUP_SIZE / p.width;
  let first_row = first + rank / p.width;
  var value = 0.0;
  // Extremes have no neutral value: begin with the invocation's first row, or with the last row, which may count twice.
  if (EXTREME) { value = p.factor * x[base + min(first_row, max(last, 1u) - 1u) * p.channels]; }
  var sum = Sum();
  // Four rows at a time, so that four loads are under way. Rows past the end are the last one again, which a sum ignores.
  for (var row = first_row; row < last; row += 4u * step) {
    let rows = row + step * vec4u(0u, 1u, 2u, 3u);
    let at = base + min(rows, vec4u(last - 1u)) * p.channels;
    var next = vec4f(x[at.x], x[at.y], x[at.z], x[at.w]);
    if (EXTREME) {
      next *= p.factor;
      value = combine(value, combine(combine(next.x, next.y), combine(next.z, next.w)));
    } else {
      next = select(vec4f(), next, rows < vec4u(last));
      add_term(&sum, (next.x + next.y) + (next.z + next.w));
    }
  }
  if (!EXTREME) { value = total_of(sum); }
  for (var distance = GROUP_SIZE / 2u; distance >= p.width; distance /= 2u) {
    value = combine(value, exchange_xor(local, value, distance));
  }
  if (live && rank < p.width) { y[sliced * p.channels + c] = p.factor * value; }
}
