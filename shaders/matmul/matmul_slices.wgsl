// Second pass of a matrix product whose long sum was computed in slices; adds them up in order:
//   c[z, m, n] = act(sum_s partial[s, z, m, n] + bias[z / bias_share, n])
// Memory-bound.   Z = R replicas x batch products, partial [slices, some of Z, M, N], bias [R, N], c [Z, M, N]
// epilogue 1: the activation; 2: the bias binding holds the output of a ReLU, [Z, M, N], and c is 0 where that output is not above 0.
struct Params {
  size: u32, slices: u32, n: u32, has_bias: u32, epilogue: u32, per_bias: u32, // bias_share * M * N
  first: u32, // element of c at which partial begins
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.size) { return; }
  let at = p.first + i;
  var sum = 0.0;
  for (var first = 0u; first < p.slices; first += 256u) { // two levels of summation (see long-sums.ts)
    let last = min(first + 256u, p.slices);
    var level = 0.0;
    for (var s = first; s < last; s += 4u) { // four loads at a time; past the end, the last one again, which counts as zero
      let terms = s + vec4u(0u, 1u, 2u, 3u);
      let index = i + min(terms, vec4u(last - 1u)) * p.size;
      let values = vec4f(partial[index.x], partial[index.y], partial[index.z], partial[index.w]);
      let v = select(vec4f(), values, terms < vec4u(last));
      level = (((level + v.x) + v.y) + v.z) + v.w;
    }
    sum += level;
  }
  if (p.has_bias != 0u) { sum += bias[at / p.per_bias * p.n + at % p.n]; }
  var mask = sum;
  if (p.epilogue == 2u) { mask = bias[at]; }
  c[at] = apply_epilogue(sum, mask, p.epilogue);
}
