import { type Binding, bufferOf } from './command.ts';
import type { Failures } from './failures.ts';
import { failureOf } from './memory.ts';
import { writtenBindings } from './pipelines.ts';
import type { Encoded } from './recorder.ts';
import { Storage } from './storage.ts';

/**
 * Finds the arrays whose contents were not computed because the adapter refused a pipeline or a buffer. WebGPU drops a whole submit if
 * anything in it is invalid, and reports that later, when other work may already have read those arrays. So each submit
 * is reviewed when all answers have arrived.
 */
export class LostWork {
  /** Arrays without valid contents that still have users. */
  private readonly lost = new Set<Storage>();

  constructor(private readonly failures: Failures) {}

  /** Call it after each submit, with its contents in order. */
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

/** The refusal that makes a submit with this part invalid; null if there is none. */
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
