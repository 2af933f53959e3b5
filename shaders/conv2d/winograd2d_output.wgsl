// The last step of a convolution by Winograd's algorithm in both directions (see winograd.ts): from the sums at the points of a tile
//   y[n, ty*th + a, tx*tw + b, c] = act(sum_{i, j} rows[a, i] * columns[b, j] * sums[(i, j), tile, c] + bias[c])      tile = (n, ty, tx)
// for the pixels inside the image. An invocation computes four channels of a tile. Memory-bound.
//   R replicas: sums [R, points, tiles, C] as vec4, bias [R, C], y [R, N, H, W, C], of which it writes `batch` images
const MAX_POINTS = 6u;
const MAX_SIZE = 4u; // pixels of a tile along an axis

struct Params {
  batch: u32, out_h: u32, out_w: u32, channels: u32, tiles_h: u32, tiles_w: u32, tile_h: u32, tile_w: u32,
  points_h: u32, points_w: u32, images: u32, first_image: u32, first_replica: u32, has_bias: u32, epilogue: u32,
  // For each point along an axis: its factors for the pixels of the tile.
  rows: array<vec4f, MAX_POINTS>, columns: array<vec4f, MAX_POINTS>,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (group.y * groups.x + group.x) * 64u + local;
  let step = params.batch * params.tiles_h * params.tiles_w * params.channels;
  if (index >= step) { return; }
  let tile = index / params.channels;
  let c = index - tile * params.channels;
  let row = tile / params.tiles_w;
  let n = row / params.tiles_h;
  let top = (row - n * params.tiles_h) * params.tile_h;
  let left = (tile - row * params.tiles_w) * params.tile_w;

  var pixels: array<array<vec4f, MAX_SIZE>, MAX_SIZE>;
  var at = group.z * params.points_h * params.points_w * step + index;
  for (var i = 0u; i < params.points_h; i++) {
    var along = array<vec4f, MAX_SIZE>(); // explicit, because a default was not 0 again in the next row (Dawn, Mesa 25)
    for (var j = 0u; j < params.points_w; j++) {
      let value = sums[at];
      let f = params.columns[j];
      along[0] += f.x * value;
      along[1] += f.y * value;
      along[2] += f.z * value;
      along[3] += f.w * value;
      at += step;
    }
    let f = params.rows[i];
    for (var b = 0u; b < MAX_SIZE; b++) {
      pixels[0][b] += f.x * along[b];
      pixels[1][b] += f.y * along[b];
      pixels[2][b] += f.z * along[b];
      pixels[3][b] += f.w * along[b];
    }
  }

  let replica = params.first_replica + group.z;
  let offset = select(vec4f(), bias[select(0u, replica * params.channels + c, params.has_bias != 0u)], params.has_bias != 0u);
  let image = (replica * params.images + params.first_image + n) * params.out_h;
  for (var oy = top; oy < min(top + params.tile_h, params.out_h); oy++) {
    var line = pixels[0];
    for (var ox = left; ox < min(left + params.tile_w, params.out_w); ox++) {
      let value = line[0] + offset;
      y[((image + oy) * params.out_w + ox) * params.channels + c] = apply_epilogue4(value, value, params.epilogue);
      for (var k = 0u; k < MAX_SIZE - 1u; k++) { line[k] = line[k + 1u]; }
    }
    for (var k = 0u; k < MAX_SIZE - 1u; k++) { pixels[k] = pixels[k + 1u]; }
  }
}
