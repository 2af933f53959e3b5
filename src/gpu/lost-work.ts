import { type Binding, bufferOf } from './command.ts';
import type { Failures } from './failures.ts';
import { failureOf } from './memory.ts';
import { writtenBindings } from './pipelines.ts';
import type { Encoded } from './recorder.ts';
import { Storage } from './storage.ts';

/**
 * Finds the arrays that do not hold what they should because the adapter refused a pipeline or a buffer. WebGPU drops a submit as a whole if
 * anything in it is invalid, and says so only afterwards, when other work may have read what was not computed. So whatever is submitted
 * before the last answer is looked through once all answers are there.
 */
export class LostWork {
  /** Those that hold nothing of use, as long as anybody has them. */
  private readonly lost = new Set<Storage>();

  constructor(private readonly failures: Failures) {}

  /** To be called after each submit, with what it held, in order. */
  afterSubmit(encoded: readonly Encoded[]): void {
    const { answers } = this.failures;
    if (answers.outstanding || this.lost.size > 0) answers.after(() => this.review(encoded));
  }

  private review(encoded: readonly Encoded[]): void {
    if (!this.failures.hasRefused) return;
    const refusal = first(encoded, refusalOf);
    for (const one of encoded) {
      if ('renewed' in one) {
        if (!refusal) for (const storage of one.renewed) this.renew(storage);
        continue;
      }
      const cause = refusal ?? first(bindingsOf(one), lossOf);
      if (cause) for (const storage of writtenBy(one)) this.lose(storage, cause);
    }
    for (const storage of this.lost) if (storage.released) this.lost.delete(storage);
  }

  private lose(storage: Storage, cause: Error): void {
    storage.loss ??= cause;
    this.lost.add(storage);
  }

  private renew(storage: Storage): void {
    storage.loss = null;
    this.lost.delete(storage);
  }
}

function first<T, U>(all: readonly T[], find: (one: T) => U | null): U | null {
  for (const one of all) {
    const found = find(one);
    if (found) return found;
  }
  return null;
}

const bindingsOf = (one: Exclude<Encoded, { renewed: unknown }>): readonly Binding[] =>
  'pipeline' in one ? one.bindings : [one.from, one.to];

/** Why a submit that holds it does nothing. */
function refusalOf(one: Encoded): Error | null {
  if ('renewed' in one) return null;
  const refused = 'pipeline' in one ? one.pipeline.refused : null;
  return refused ?? first(bindingsOf(one), (binding) => failureOf(bufferOf(binding)));
}

const lossOf = (binding: Binding): Error | null => (binding instanceof Storage ? binding.loss : null);

function writtenBy(one: Exclude<Encoded, { renewed: unknown }>): Storage[] {
  const written = 'pipeline' in one ? writtenBindings(one.pipeline.source.code) : new Set([1]);
  return bindingsOf(one).filter((binding, i): binding is Storage => binding instanceof Storage && written.has(i));
}
