/** How many at most: each holds the memory of what it computes on the way. */
const MAX_PROGRAMS = 4;

interface Resource {
  dispose(): void;
}

/**
 * Recorded programs that a model keeps between calls, so that measuring the same data again records nothing anew. Who uses one takes
 * it out and gives it back, so that calls that overlap have one each.
 */
export class ProgramCache {
  private entries: { key: readonly unknown[]; resource: Resource }[] = [];

  /** What was given back under the same key (compared part by part), or a new one. */
  acquire<T extends Resource>(key: readonly unknown[], make: () => T): T {
    const at = this.entries.findIndex(
      (entry) => entry.key.length === key.length && entry.key.every((part, i) => Object.is(part, key[i])),
    );
    return at < 0 ? make() : (this.entries.splice(at, 1)[0]!.resource as T);
  }

  /** Keeps it for the next call; the one that was not used for the longest time goes. */
  release(key: readonly unknown[], resource: Resource): void {
    this.entries.push({ key, resource });
    if (this.entries.length > MAX_PROGRAMS) this.entries.shift()!.resource.dispose();
  }

  /** Disposes all that was given back; the next calls make theirs anew. */
  dispose(): void {
    const { entries } = this;
    this.entries = [];
    for (const { resource } of entries) resource.dispose();
  }
}
