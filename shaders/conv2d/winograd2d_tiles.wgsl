// Both directions of a transform of Winograd's algorithm (see winograd.ts), of windows of images: at every point (i, j) of a tile
//   y[(i, j), tile, c] = sum_{a, b} rows[i, a] * columns[j, b] * x[n, ty*th + a - ph, tx*tw + b - pw, c]        tile = (n, ty, tx)
// where pixels outside the image are 0. A Value is a number, or a vector of neighboring channels (channels then count vectors);
// an invocation computes one Value of a tile at all points. A NaN or infinity in a window reaches all points of its tile. Memory-bound.
//   R replicas: x [R, N, H, W, C], of which it reads `batch` images, y [R, points, tiles, C]; with `adds` it adds to y
const MAX_SIZE = 6u; // points of an axis, and pixels of a window

struct Params {
  batch: u32, in_h: u32, in_w: u32, channels: u32, tiles_h: u32, tiles_w: u32, tile_h: u32, tile_w: u32, pad_h: u32, pad_w: u32,
  window_h: u32, window_w: u32, points_h: u32, points_w: u32,
  images: u32, first_image: u32, first_x: u32, first_y: u32, // images of a replica of x, first image; first replica of x and of y
  adds: u32,
  // For each pixel of a window along an axis: its factors at the points, four and two.
  rows: array<mat2x4f, MAX_SIZE>, columns: array<mat2x4f, MAX_SIZE>,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Value>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (group.y * groups.x + group.x) * 64u + local;
  let tiles = params.batch * params.tiles_h * params.tiles_w;
  let step = tiles * params.channels;
  if (index >= step) { return; }
  let tile = index / params.channels;
  let c = index - tile * params.channels;
  let row = tile / params.tiles_w;
  let n = row / params.tiles_h;
  // These wrap to huge numbers outside the image.
  let top = (row - n * params.tiles_h) * params.tile_h - params.pad_h;
  let left = (tile - row * params.tiles_w) * params.tile_w - params.pad_w;
  let image = ((params.first_x + group.z) * params.images + params.first_image + n) * params.in_h;

  var sums: array<array<Value, MAX_SIZE>, MAX_SIZE>;
  for (var a = 0u; a < params.window_h; a++) {
    if (top + a >= params.in_h) { continue; }
    let at = (image + top + a) * params.in_w;
    var along = array<Value, MAX_SIZE>(); // explicit, because a default was not 0 again in the next row (Dawn, Mesa 25)
    for (var b = 0u; b < params.window_w; b++) {
      let inside = left + b < params.in_w;
      let value = select(Value(), x[select(0u, (at + left + b) * params.channels + c, inside)], inside);
      let f = params.columns[b];
      along[0] += f[0].x * value;
      along[1] += f[0].y * value;
      along[2] += f[0].z * value;
      along[3] += f[0].w * value;
      along[4] += f[1].x * value;
      along[5] += f[1].y * value;
    }
    let f = params.rows[a];
    for (var j = 0u; j < MAX_SIZE; j++) {
      sums[0][j] += f[0].x * along[j];
      sums[1][j] += f[0].y * along[j];
      sums[2][j] += f[0].z * along[j];
      sums[3][j] += f[0].w * along[j];
      sums[4][j] += f[1].x * along[j];
      sums[5][j] += f[1].y * along[j];
    }
  }

  var to = (params.first_y + group.z) * params.points_h * params.points_w * step + index;
  for (var i = 0u; i < params.points_h; i++) {
    for (var j = 0u; j < params.points_w; j++) {
      y[to] = sums[0][0] + select(Value(), y[to], params.adds != 0u);
      to += step;
      for (var k = 0u; k < MAX_SIZE - 1u; k++) { sums[0][k] = sums[0][k + 1u]; }
    }
    for (var k = 0u; k < MAX_SIZE - 1u; k++) { sums[k] = sums[k + 1u]; }
  }
}
