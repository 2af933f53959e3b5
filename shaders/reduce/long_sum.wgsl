// Sums of any length; put after kernels that compute sums (see src/kernels/reduce/long-sums.ts). The relative error of adding n equal terms one by
// one in f32 is up to n * 1.5e-8. With LONG, every 64 terms are folded into the next of four levels, so up to 1.6e7 terms no accumulator
// gets more than 64. Without it, for short sums, a sum is one accumulator at no extra cost. A Value is a number or a vector.
override LONG = false;

struct Sum { level0: Value, level1: Value, level2: Value, level3: Value, terms: u32 }

fn add_term(sum: ptr<function, Sum>, term: Value) {
  (*sum).level0 += term;
  if (!LONG) { return; }
  let terms = (*sum).terms + 1u;
  (*sum).terms = terms;
  if (terms % 64u != 0u) { return; }
  (*sum).level1 += (*sum).level0;
  (*sum).level0 = Value();
  if (terms % 4096u != 0u) { return; }
  (*sum).level2 += (*sum).level1;
  (*sum).level1 = Value();
  if (terms % 262144u != 0u) { return; }
  (*sum).level3 += (*sum).level2;
  (*sum).level2 = Value();
}

fn total_of(sum: Sum) -> Value {
  if (!LONG) { return sum.level0; }
  return ((sum.level3 + sum.level2) + sum.level1) + sum.level0;
}
