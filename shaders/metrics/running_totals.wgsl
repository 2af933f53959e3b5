// An epoch's running totals, which batches join one by one. One f32 sum would drift (6e-4 after 60,000 batches) and count no
// further than 2^24. So counts are whole numbers of two words, and losses gather level by level: 32 of a level are one of the
// next. No level has more than 32 equal terms, which puts the sum off by 5e-6 at most, up to 32^5 = 3.3e7 batches. The host adds
// the levels up in float64. The order of the additions depends on the number of batches alone.
struct Totals {
  samples: vec2u,        // low word, high word
  hits: vec2u,
  batches: u32,
  loss: array<f32, 5>,   // sums of batch mean * batch size
}
@group(0) @binding(1) var<storage, read> loss: array<f32>;              // [R]
@group(0) @binding(2) var<storage, read_write> totals: array<Totals>;   // [R]

fn plus(total: vec2u, more: u32) -> vec2u {
  let low = total.x + more;
  return vec2u(low, total.y + select(0u, 1u, low < more));
}

// Adds the batch mean loss of replica r, weighted by the batch, so that a short last batch counts as it should.
fn add_batch(r: u32, rows: u32, hits: u32) {
  totals[r].samples = plus(totals[r].samples, rows);
  totals[r].hits = plus(totals[r].hits, hits);
  let batches = totals[r].batches + 1u;
  totals[r].batches = batches;
  totals[r].loss[0] += loss[r] * f32(rows);
  var every = 1u;
  for (var level = 0u; level < 4u; level++) {
    every *= 32u;
    if (batches % every != 0u) { break; }
    totals[r].loss[level + 1u] += totals[r].loss[level];
    totals[r].loss[level] = 0.0;
  }
}
