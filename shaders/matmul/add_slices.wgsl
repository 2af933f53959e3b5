// Second pass of a convolution's weight gradient: adds up the slices in order and removes the padding of the channel axes:
//   dw[tap, ci, co] = sum_s partial[s, tap, padded_index of ci, padded_index of co]
// A slice has `slice_size` elements; those to add begin at `first`, because the column sums of dy may follow the sums of the filter.
// Memory-bound.   R replicas: partial [some of R, slices, taps, rows, columns], dw [R, taps, in_c, out_c]
struct Params {
  slices: u32, taps: u32, in_c: u32, out_c: u32, rows: u32, columns: u32, in_width: u32, out_width: u32,
  first: u32, slice_size: u32, first_replica: u32, // in dw, of the replicas in partial
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;

fn padded_index(channel: u32, width: u32) -> u32 {
  return channel / width * 4u + channel % width;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  let size = p.taps * p.in_c * p.out_c;
  if (i >= size) { return; }
  let column = padded_index(i % p.out_c, p.out_width);
  let row = padded_index(i / p.out_c % p.in_c, p.in_width);
  let tap = i / (p.out_c * p.in_c);
  let at = group.z * p.slices * p.slice_size + p.first + (tap * p.rows + row) * p.columns + column;
  var sum = 0.0;
  for (var first = 0u; first < p.slices; first += 256u) { // two levels of summation (see long-sums.ts)
    let last = min(first + 256u, p.slices);
    var level = 0.0;
    for (var s = first; s < last; s += 4u) { // four loads at a time; past the end, the last one again, which counts as zero
      let terms = s + vec4u(0u, 1u, 2u, 3u);
      let index = at + min(terms, vec4u(last - 1u)) * p.slice_size;
      let values = vec4f(partial[index.x], partial[index.y], partial[index.z], partial[index.w]);
      let v = select(vec4f(), values, terms < vec4u(last));
      level = (((level + v.x) + v.y) + v.z) + v.w;
    }
    sum += level;
  }
  dw[(p.first_replica + group.z) * size + i] = sum;
}
