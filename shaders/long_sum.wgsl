// Put after kernels in which an invocation adds up one sum of any length; `Value` is theirs. One f32 that takes a million terms drifts:
// the larger it is, the more of a term is rounded away. So `sum` takes some 256 of them, `folded` as many of those, `total` the rest,
// and a sum of ten million equal terms is off by less than 1e-5 of itself.
override LONG = false; // the sum may have more than 512 terms: without, nothing of this is left but `sum`

var<private> sum: Value;
var<private> folded: Value;
var<private> total: Value;
var<private> terms: u32; // in sum
var<private> folds: u32; // in folded

// To be called after each so many terms, at most 256.
fn fold(count: u32) {
  if (!LONG) { return; }
  terms += count;
  if (terms < 256u) { return; }
  folded += sum;
  sum = Value();
  terms = 0u;
  folds += 1u;
  if (folds < 256u) { return; }
  total += folded;
  folded = Value();
  folds = 0u;
}

// To be called in a loop over terms, after term i; and after the loop `fold` for the rest, the number of terms modulo 256.
fn fold_at(i: u32) {
  if (LONG && i % 256u == 255u) { fold(256u); }
}

fn whole_sum() -> Value {
  if (!LONG) { return sum; }
  return total + (folded + sum);
}
