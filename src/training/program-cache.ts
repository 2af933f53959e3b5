/** Each program holds the memory of its intermediate results. */
const MAX_PROGRAMS = 4;

interface Resource {
  dispose(): void;
}

/**
 * Recorded programs that a model keeps between calls, so that another call with the same data does not record again. A call removes its
 * program from the cache while it runs, so overlapping calls never share one.
 */
export class ProgramCache {
  private entries: { key: readonly unknown[]; resource: Resource }[] = [];

  /** Removes the program with this key from the cache, or creates one. Keys are equal if all their items are identical. */
  acquire<T extends Resource>(key: readonly unknown[], create: () => T): T {
    const index = this.entries.findIndex(
      (entry) => entry.key.length === key.length && entry.key.every((item, i) => Object.is(item, key[i])),
    );
    return index < 0 ? create() : (this.entries.splice(index, 1)[0]!.resource as T);
  }

  /** Adds a program to the cache; the least recently used one is disposed if there are too many. */
  release(key: readonly unknown[], resource: Resource): void {
    this.entries.push({ key, resource });
    if (this.entries.length > MAX_PROGRAMS) this.entries.shift()!.resource.dispose();
  }

  /** Disposes all cached programs; later calls record theirs again. */
  dispose(): void {
    const { entries } = this;
    this.entries = [];
    for (const { resource } of entries) resource.dispose();
  }
}
