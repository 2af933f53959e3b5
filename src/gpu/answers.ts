/**
 * Answers that WebGPU gives asynchronously, and actions that wait for them. An action waits only for earlier requests, so it runs even
 * if new requests arrive all the time. A watched answer costs one promise; each small buffer has one.
 */
export class Answers {
  /** Number of the oldest answer that is outstanding. */
  private first = 0;
  /** Number of the next answer. */
  private next = 0;
  /** Numbers of answers that arrived before older ones. */
  private readonly early = new Set<number>();
  private readonly waiting: { at: number; action: () => void }[] = [];

  get outstanding(): boolean {
    return this.first < this.next;
  }

  /** Calls `take` with an answer. A rejected answer (the device was lost) counts as answered. */
  watch<T>(answer: Promise<T>, take: (answer: T) => void = () => {}): void {
    const number = this.next++;
    const answered = () => this.answered(number);
    void answer.then((value) => {
      take(value);
      answered();
    }, answered);
  }

  /** Runs `action` when all requests so far are answered: at once if none is outstanding. */
  after(action: () => void): void {
    if (this.outstanding) this.waiting.push({ at: this.next, action });
    else action();
  }

  private answered(number: number): void {
    if (number > this.first) {
      this.early.add(number);
      return;
    }
    this.first++;
    while (this.early.size > 0 && this.early.delete(this.first)) this.first++;
    while (this.waiting.length > 0 && this.waiting[0]!.at <= this.first) this.waiting.shift()!.action();
  }
}
