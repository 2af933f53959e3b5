// y[n, pixel, c] = finish of (x - mean) factor + mean, with the mean of x over the pixels of image n and channel c, and the factor of
// image n, in 2^-22 as word 0 of its draws (see augment_draws.wgsl). `finish` is defined in contrast_clip.wgsl and contrast_mask.wgsl.
// An invocation a pixel, all channels. Memory-bound.
//   replicas folded into the images: draws [N, 8] i32, x and y [N, pixels, C], means [N, C]
struct Params { images: u32, pixels: u32, channels: u32, low: f32, high: f32, clips: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> draws: array<vec4i>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> means: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let p = params;
  let i = (group.y * groups.x + group.x) * 64u + local;
  if (i >= p.images * p.pixels) { return; }
  let image = i / p.pixels;
  let factor = f32(draws[2u * image].x) / 4194304.0; // 24 bits at most: exact
  for (var c = 0u; c < p.channels; c++) {
    let at = i * p.channels + c;
    let mean = means[image * p.channels + c];
    y[at] = finish(at, (x[at] - mean) * factor + mean);
  }
}
