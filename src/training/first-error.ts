/** Runs functions one after another, also after errors, and keeps the first error: later ones may only follow from it. */
export class FirstError {
  private first: { error: unknown } | null = null;

  get hasError(): boolean {
    return this.first !== null;
  }

  /** The first error; undefined if there is none. */
  get error(): unknown {
    return this.first?.error;
  }

  /** Runs `body` and waits for it; does not throw. */
  async try(body: () => unknown): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.first ??= { error };
    }
  }

  /** @throws the first error, if there was one */
  throw(): void {
    if (this.first) throw this.first.error;
  }
}
