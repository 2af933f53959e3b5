/** Runs several things of which each must be tried, and keeps the first error: later ones may only follow from it. */
export class FirstError {
  private found: { error: unknown } | null = null;

  get hasError(): boolean {
    return this.found !== null;
  }

  /** What was thrown first. */
  get error(): unknown {
    return this.found?.error;
  }

  async try(body: () => unknown): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.found ??= { error };
    }
  }

  /** @throws the first error, if there was one */
  throw(): void {
    if (this.found) throw this.found.error;
  }
}
