// An epoch's running totals, to which batches are added one by one. One f32 sum would lose accuracy (6e-4 after 60,000 batches) and could
// not count beyond 2^24. So counts are integers of two words, and losses are added up in levels: 32 sums of a level are one term of the
// next. No level has more than 32 terms, so the relative error is at most 5e-6, up to 32^5 = 3.3e7 batches. The host adds up the levels in
// float64. The order of additions depends on the number of batches alone.
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

// Adds the mean loss of a batch of replica r, weighted by its rows, so that a short last batch has the right weight.
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
