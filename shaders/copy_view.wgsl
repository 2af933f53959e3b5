// y[i0, i1, ..] = x[i0 - offset0, i1 - offset1, ..], or `fill` if that index is outside of x. With strides for x, this is a
// transpose (strides swapped), a slice (offset < 0), a padding (offset > 0) or a broadcast (stride 0).
// Values of any type are copied as bits. Memory-bound.
//   R replicas: x [R, x_size], y [R, size]; an axis is (size in y, stride in x, offset, size in x)
struct Params { size: u32, x_size: u32, rank: u32, fill: u32, axes: array<vec4u, 8> }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let stride = groups.y * groups.x * 64u;
  for (var i = (group.y * groups.x + group.x) * 64u + local; i < params.size; i += stride) {
    var rest = i;
    var at = group.z * params.x_size;
    var inside = true;
    for (var d = params.rank; d > 0u; d--) {
      let axis = params.axes[d - 1u];
      var index = rest;
      if (d > 1u) { // the first axis needs no division
        rest = index / axis.x;
        index -= rest * axis.x;
      }
      index -= axis.z; // a negative index wraps to a huge one
      inside = inside && index < axis.w;
      at += index * axis.y;
    }
    var value = params.fill;
    if (inside) { value = x[at]; }
    y[group.z * params.size + i] = value;
  }
}
