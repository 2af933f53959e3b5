// y = x, except for the pixels of a rectangle of each image, which get a value of their channel (erase_constant.wgsl) or noise
// (erase_noise.wgsl). The rectangle: (first row, last + 1, first column, last + 1), words 0 to 3 of the image's draws.
// An invocation a pixel, all channels. Memory-bound.
//   replicas folded into the images: draws [N, 8] i32, x and y [N, H, W, C]
struct Params { images: u32, batch: u32, height: u32, width: u32, channels: u32, id: u32, purpose: u32, low: f32, high: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> draws: array<vec4i>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.images * p.height * p.width) { return; }
  let line = i / p.width;
  let image = line / p.height;
  let row = i32(line - image * p.height);
  let column = i32(i - line * p.width);
  let r = draws[2u * image];
  let isErased = row >= r.x && row < r.y && column >= r.z && column < r.w;
  for (var c = 0u; c < p.channels; c++) {
    let at = i * p.channels + c;
    if (isErased) {
      y[at] = filling(image, at, c);
    } else {
      y[at] = x[at];
    }
  }
}
