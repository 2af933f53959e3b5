import type { FirstError } from './first-error.ts';

interface Disposable {
  /** Closes what it reads from, such as a stream of the user, before `dispose`. */
  close?(signal?: AbortSignal): Promise<void>;
  dispose(): void;
}

/** Resources of a call, to be disposed together when it ends, the last one first. */
export class Disposables {
  private readonly resources: Disposable[] = [];

  /** Adds a resource and returns it. */
  add<T extends Disposable>(resource: T): T {
    this.resources.push(resource);
    return resource;
  }

  /** Closes and disposes every resource, also if some of them throw. @param errors receives the first error */
  async dispose(errors: FirstError, signal?: AbortSignal): Promise<void> {
    for (const resource of this.resources.splice(0).reverse()) {
      await errors.try(() => resource.close?.(signal));
      await errors.try(() => resource.dispose());
    }
  }
}
